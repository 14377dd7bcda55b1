//! Launch template data between the wire and the engine, which keeps it as JSON in the words of the service model.

use indexmap::IndexMap;
use serde_json::{Map, Value as Json};

use crate::clock::Timestamp;
use crate::sandbox::models::ec2::{
    RESPONSE_LAUNCH_TEMPLATE_DATA, RequestLaunchTemplateData, ResponseLaunchTemplateData,
};
use crate::sandbox::wire::shape::{Kind, Shape};
use crate::sandbox::wire::value::{FromValue, IntoValue, Value};

/// What a caller gives, as the engine keeps it.
pub fn kept(data: RequestLaunchTemplateData) -> Json {
    json(data.into_value())
}

/// What the engine keeps, as an answer shows it.
pub fn shown(data: &Json) -> ResponseLaunchTemplateData {
    ResponseLaunchTemplateData::from_value(value(&RESPONSE_LAUNCH_TEMPLATE_DATA, data))
}

/// Reads what [`words`] wrote of a value of this shape.
pub fn read<T: FromValue>(shape: &'static Shape, json: &Json) -> T {
    T::from_value(value(shape, json))
}

/// The members of a call in the words of its own request.
pub fn words(input: impl IntoValue) -> Json {
    json(input.into_value())
}

fn json(value: Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(flag) => flag.into(),
        Value::Integer(number) => number.into(),
        Value::Double(number) => number.into(),
        Value::String(text) => text.into(),
        Value::Blob(bytes) => bytes.into(),
        Value::Timestamp(at) => at.to_string().into(),
        Value::List(items) => items.into_iter().map(json).collect(),
        Value::Map(entries) => entries.into_iter().map(|(key, value)| (key, json(value))).collect(),
        Value::Structure(members) => {
            members.into_iter().map(|(name, value)| (name.to_string(), json(value))).collect::<Map<_, _>>().into()
        }
    }
}

fn value(shape: &'static Shape, json: &Json) -> Value {
    match (shape.kind, json) {
        (Kind::Structure(members), Json::Object(given)) => {
            let known = members
                .iter()
                .filter_map(|member| given.get(member.name).map(|inner| (member.name, value(member.shape, inner))));
            Value::Structure(known.collect())
        }
        (Kind::List { of, .. }, Json::Array(items)) => Value::List(items.iter().map(|item| value(of, item)).collect()),
        (Kind::Map { value: of, .. }, Json::Object(entries)) => {
            let entries = entries.iter().map(|(key, inner)| (key.clone(), value(of, inner)));
            Value::Map(entries.collect::<IndexMap<_, _>>())
        }
        (Kind::Timestamp, Json::String(text)) => Timestamp::parse(text).map_or(Value::Null, Value::Timestamp),
        (_, Json::String(text)) => Value::String(text.clone()),
        (_, Json::Bool(flag)) => Value::Bool(*flag),
        (Kind::Double, Json::Number(number)) => number.as_f64().map_or(Value::Null, Value::Double),
        (_, Json::Number(number)) => number.as_i64().map_or(Value::Null, Value::Integer),
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::models::ec2::{
        LaunchTemplateInstanceMarketOptionsRequest, LaunchTemplateInstanceNetworkInterfaceSpecificationRequest,
        LaunchTemplateSpotMarketOptionsRequest, LaunchTemplatesMonitoringRequest,
    };

    #[test]
    fn what_was_given_is_shown() {
        let interface = LaunchTemplateInstanceNetworkInterfaceSpecificationRequest {
            associate_public_ip_address: Some(true),
            groups: Some(vec!["sg-1".into()]),
            ..Default::default()
        };
        let until = Timestamp::from_secs(1_800_000_000);
        let spot = LaunchTemplateSpotMarketOptionsRequest { valid_until: Some(until), ..Default::default() };
        let market = LaunchTemplateInstanceMarketOptionsRequest { spot_options: Some(spot), ..Default::default() };
        let given = RequestLaunchTemplateData {
            image_id: Some("ami-1".into()),
            monitoring: Some(LaunchTemplatesMonitoringRequest { enabled: Some(true) }),
            network_interfaces: Some(vec![interface]),
            instance_market_options: Some(market),
            ..Default::default()
        };
        let kept = kept(given);
        assert_eq!(kept["NetworkInterfaces"][0]["Groups"][0], "sg-1");
        let shown = shown(&kept);
        assert_eq!(shown.image_id.as_deref(), Some("ami-1"));
        assert_eq!(shown.monitoring.unwrap().enabled, Some(true));
        assert_eq!(shown.network_interfaces.unwrap()[0].associate_public_ip_address, Some(true));
        let spot = shown.instance_market_options.unwrap().spot_options.unwrap();
        assert_eq!(spot.valid_until, Some(until));
    }
}
