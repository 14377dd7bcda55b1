//! `POST /_scaleproof/load`: how busy a group's machines are from now on. Start at [`set`].

use serde::Deserialize;

use super::universe::Universe;
use crate::clock::Timestamp;
use crate::engine::groups::Load;
use crate::engine::names::GroupName;

const FORM: &str = "say which group, and one of {\"cpu\": 80} (percent of each machine), {\"demand\": 120} (percent of one \
                    machine, shared by all in service), {\"idle\": true}";

/// What a caller asks for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    group: String,
    cpu: Option<f64>,
    demand: Option<f64>,
    idle: Option<bool>,
    /// Needed only where groups of several regions or accounts share the name.
    region: Option<String>,
    account: Option<String>,
}

impl Order {
    fn load(&self) -> Result<Load, String> {
        match (self.cpu, self.demand, self.idle) {
            (Some(percent), None, None) => Ok(Load::Cpu(percent)),
            (None, Some(percent), None) => Ok(Load::Demand(percent)),
            (None, None, Some(true)) => Ok(Load::Idle),
            _ => Err(FORM.into()),
        }
    }

    fn means(&self, account: &str, region: &str) -> bool {
        let fits = |wanted: &Option<String>, name: &str| wanted.as_deref().is_none_or(|wanted| wanted == name);
        fits(&self.account, account) && fits(&self.region, region)
    }
}

/// Puts the load on the one group that `order` names. Returns the region that it is in.
///
/// # Errors
/// Words for whoever called: no such group, several, or a load that is none.
pub fn set(universe: &mut Universe, now: Timestamp, order: &Order) -> Result<String, String> {
    let load = order.load()?;
    universe.advance(now);
    let name = GroupName::from(order.group.as_str());
    let holds = universe.regions_mut().filter(|region| {
        order.means(&region.world.place.account, &region.world.place.region) && region.world.groups.get(&name).is_some()
    });
    let mut found: Vec<_> = holds.collect();
    match found.as_mut_slice() {
        [] => Err(format!("there is no group `{name}` here")),
        [region] => {
            let set = region.world.with_groups(now, |groups| groups.set_load(now, &name, load));
            set.map(|()| region.world.place.region.clone()).map_err(|refusal| refusal.message)
        }
        several => {
            let places: Vec<String> = several
                .iter()
                .map(|region| format!("{} of {}", region.world.place.region, region.world.place.account))
                .collect();
            Err(format!("there is a group `{name}` in {}: name the region and the account", places.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_says_one_load() {
        let check = |json: &str, expected: Result<Load, ()>| {
            let order: Result<Order, _> = serde_json::from_str(json);
            let load = order.map_err(|_| ()).and_then(|order| order.load().map_err(|_| ()));
            assert_eq!(load, expected, "{json}");
        };
        check(r#"{"group": "web", "cpu": 80}"#, Ok(Load::Cpu(80.0)));
        check(r#"{"group": "web", "demand": 120.5}"#, Ok(Load::Demand(120.5)));
        check(r#"{"group": "web", "idle": true}"#, Ok(Load::Idle));
        check(r#"{"group": "web"}"#, Err(()));
        check(r#"{"group": "web", "cpu": 80, "demand": 1}"#, Err(()));
        check(r#"{"group": "web", "idle": false}"#, Err(()));
        check(r#"{"group": "web", "cpuu": 80}"#, Err(()));
        check(r#"{"cpu": 80}"#, Err(()));
    }
}
