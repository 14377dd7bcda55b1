//! What all Describe calls share: identifiers, filters and pages. Start at [`Kind`].

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::error::{combination, invalid_value, refuse};
use crate::engine::Refusal;
use crate::sandbox::models::ec2::{Filter, Tag};

/// How the Describe call of one kind of resource narrows its list. `T` is the resource as the call answers it, so a
/// filter sees exactly what the caller will see.
pub struct Kind<T: 'static> {
    pub id: fn(&T) -> &Option<String>,
    /// The member that names the resources wanted, in AWS's words for messages: `vpcIdSet`.
    pub id_parameter: &'static str,
    pub missing: fn(&[&str]) -> Refusal,
    pub tags: fn(&T) -> &Option<Vec<Tag>>,
    pub filters: Filters<T>,
}

/// The filters of one kind of resource besides `tag:KEY` and `tag-key`: name and the values a resource has for it.
pub type Filters<T> = &'static [(&'static str, fn(&T) -> Vec<String>)];

/// What a caller asks of a Describe call.
#[derive(Default)]
pub struct Ask {
    pub ids: Option<Vec<String>>,
    pub filters: Option<Vec<Filter>>,
    pub max_results: Option<i64>,
    pub next_token: Option<String>,
}

/// One page of an answer.
pub struct Page<T> {
    pub items: Vec<T>,
    pub next_token: Option<String>,
}

impl<T> Page<T> {
    /// The items as an output member. An empty list is there, as AWS writes it: `<vpcSet/>`.
    pub fn set(self) -> (Option<Vec<T>>, Option<String>) {
        (Some(self.items), self.next_token)
    }
}

impl<T> Kind<T> {
    /// Narrows `all` to what the caller asks for and cuts the page.
    pub fn select(&self, all: Vec<T>, ask: Ask) -> Result<Page<T>, Refusal> {
        if ask.ids.as_ref().is_some_and(|ids| !ids.is_empty()) && ask.max_results.is_some() {
            return Err(combination(format!(
                "The parameter {} cannot be used with the parameter maxResults",
                self.id_parameter
            )));
        }
        let named = self.named(all, ask.ids.unwrap_or_default())?;
        let kept = self.filtered(named, &ask.filters.unwrap_or_default())?;
        page(kept, ask.max_results, ask.next_token)
    }

    fn named(&self, all: Vec<T>, ids: Vec<String>) -> Result<Vec<T>, Refusal> {
        if ids.is_empty() {
            return Ok(all);
        }
        let id_of = |item: &T| (self.id)(item).clone().unwrap_or_default();
        let missing: Vec<&str> =
            ids.iter().filter(|id| !all.iter().any(|item| id_of(item) == **id)).map(String::as_str).collect();
        if !missing.is_empty() {
            return Err((self.missing)(&missing));
        }
        Ok(all.into_iter().filter(|item| ids.contains(&id_of(item))).collect())
    }

    /// Keeps what passes all of `filters`.
    pub fn filtered(&self, all: Vec<T>, filters: &[Filter]) -> Result<Vec<T>, Refusal> {
        let tests: Vec<Test<T>> = filters.iter().map(|filter| self.test(filter)).collect::<Result<_, _>>()?;
        Ok(all.into_iter().filter(|item| tests.iter().all(|test| test.passes(item, self.tags))).collect())
    }

    fn test<'a>(&self, filter: &'a Filter) -> Result<Test<'a, T>, Refusal> {
        let name = filter.name.as_deref().unwrap_or_default();
        let values = filter.values.as_deref().unwrap_or_default();
        let what =
            match name {
                "tag-key" => What::TagKey,
                "tag-value" => What::TagValue,
                _ => match name.strip_prefix("tag:") {
                    Some(key) => What::Tag(key),
                    None => What::Attribute(
                        self.filters.iter().find(|(known, _)| *known == name).map(|(_, values)| *values).ok_or_else(
                            || refuse("InvalidParameterValue", format!("The filter '{name}' is invalid")),
                        )?,
                    ),
                },
            };
        Ok(Test { what, values })
    }
}

/// One filter with its name understood.
struct Test<'a, T> {
    what: What<'a, T>,
    values: &'a [String],
}

enum What<'a, T> {
    Attribute(fn(&T) -> Vec<String>),
    Tag(&'a str),
    TagKey,
    TagValue,
}

impl<T> Test<'_, T> {
    fn passes(&self, item: &T, tags: fn(&T) -> &Option<Vec<Tag>>) -> bool {
        let tags = || tags(item).as_deref().unwrap_or_default().iter();
        let values: Vec<String> = match self.what {
            What::Attribute(values) => values(item),
            What::Tag(key) => {
                tags().filter(|t| t.key.as_deref() == Some(key)).filter_map(|t| t.value.clone()).collect()
            }
            What::TagKey => tags().filter_map(|t| t.key.clone()).collect(),
            What::TagValue => tags().filter_map(|t| t.value.clone()).collect(),
        };
        self.values.iter().any(|pattern| values.iter().any(|value| matches(pattern, value)))
    }
}

/// Whether `text` fits `pattern`, in which `*` stands for any run, `?` for one character, and `\` takes the next one as
/// it is.
pub fn matches(pattern: &str, text: &str) -> bool {
    let pattern = tokens(pattern);
    let text: Vec<char> = text.chars().collect();
    // The classic walk with one point to come back to: after the last `*`, with one more character given to it.
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some(Token::Any) => {
                star = Some((p, t));
                p += 1;
                continue;
            }
            Some(Token::One) => {}
            Some(Token::Char(c)) if *c == text[t] => {}
            _ => match star {
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    (p, t) = (at + 1, taken + 1);
                    continue;
                }
                None => return false,
            },
        }
        (p, t) = (p + 1, t + 1);
    }
    pattern[p..].iter().all(|token| matches!(token, Token::Any))
}

enum Token {
    Any,
    One,
    Char(char),
}

fn tokens(pattern: &str) -> Vec<Token> {
    let mut chars = pattern.chars();
    let mut tokens = Vec::new();
    while let Some(c) = chars.next() {
        tokens.push(match c {
            '*' => Token::Any,
            '?' => Token::One,
            '\\' => Token::Char(chars.next().unwrap_or('\\')),
            c => Token::Char(c),
        });
    }
    tokens
}

/// EC2 answers this many when a caller gives no `MaxResults`.
const PAGE_MOST: i64 = 1000;

/// Cuts a page. Tokens are opaque to callers; ours hold the place of the next item.
pub fn page<T>(all: Vec<T>, max_results: Option<i64>, next_token: Option<String>) -> Result<Page<T>, Refusal> {
    let size = max_results.unwrap_or(PAGE_MOST);
    if size < 1 {
        return Err(invalid_value(size, "maxResults", "Expecting a value greater than or equal to 5."));
    }
    let start = match next_token.as_deref() {
        None | Some("") => 0,
        Some(token) => place_of(token)
            .filter(|place| *place <= all.len())
            .ok_or_else(|| refuse("InvalidParameterValue", format!("Unable to parse pagination token {token}")))?,
    };
    let end = start.saturating_add(usize::try_from(size.min(PAGE_MOST)).unwrap_or(usize::MAX)).min(all.len());
    let next_token = (end < all.len()).then(|| BASE64_STANDARD.encode(format!("place:{end}")));
    Ok(Page { items: all.into_iter().skip(start).take(end - start).collect(), next_token })
}

fn place_of(token: &str) -> Option<usize> {
    let bytes = BASE64_STANDARD.decode(token).ok()?;
    std::str::from_utf8(&bytes).ok()?.strip_prefix("place:")?.parse().ok()
}

/// The value of a member as filter values.
pub fn one(value: &Option<impl ToString>) -> Vec<String> {
    value.iter().map(ToString::to_string).collect()
}

/// The values of a member of each item of a list.
pub fn each<T, V: ToString>(list: &Option<Vec<T>>, value: impl Fn(&T) -> &Option<V>) -> Vec<String> {
    list.iter().flatten().filter_map(|item| value(item).as_ref().map(ToString::to_string)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Thing {
        id: Option<String>,
        colour: Option<String>,
        tags: Option<Vec<Tag>>,
    }

    const THINGS: Kind<Thing> = Kind {
        id: |thing| &thing.id,
        id_parameter: "thingIdSet",
        missing: |ids| refuse("InvalidThingID.NotFound", format!("The thing ID '{}' does not exist", ids.join(", "))),
        tags: |thing| &thing.tags,
        filters: &[("colour", |thing| one(&thing.colour))],
    };

    fn thing(id: &str, colour: &str, tags: &[(&str, &str)]) -> Thing {
        let tag = |(key, value): &(&str, &str)| Tag { key: Some((*key).into()), value: Some((*value).into()) };
        Thing { id: Some(id.into()), colour: Some(colour.into()), tags: Some(tags.iter().map(tag).collect()) }
    }

    fn things() -> Vec<Thing> {
        vec![
            thing("t-1", "red", &[("Name", "web-1"), ("Env", "test")]),
            thing("t-2", "blue", &[("Name", "web-2")]),
            thing("t-3", "red", &[]),
        ]
    }

    fn filter(name: &str, values: &[&str]) -> Filter {
        Filter { name: Some(name.into()), values: Some(values.iter().map(|v| (*v).into()).collect()) }
    }

    fn check(filters: Vec<Filter>, expected: &str) {
        let page = THINGS.select(things(), Ask { filters: Some(filters), ..Ask::default() }).unwrap();
        let ids: Vec<&str> = page.items.iter().filter_map(|thing| thing.id.as_deref()).collect();
        assert_eq!(ids.join(" "), expected);
    }

    #[test]
    fn values_of_a_filter_are_alternatives_and_filters_add_up() {
        check(vec![], "t-1 t-2 t-3");
        check(vec![filter("colour", &["red"])], "t-1 t-3");
        check(vec![filter("colour", &["red", "blue"])], "t-1 t-2 t-3");
        check(vec![filter("colour", &["red"]), filter("tag:Name", &["web-*"])], "t-1");
        check(vec![filter("tag:Name", &["web-?"])], "t-1 t-2");
        check(vec![filter("tag-key", &["Env"])], "t-1");
        check(vec![filter("tag:name", &["web-1"])], "");
        check(vec![filter("colour", &[])], "");
    }

    #[test]
    fn wildcards_and_their_escape() {
        let table = [
            // pattern      text          fits
            ("web", "web", true),
            ("web", "Web", false),
            ("web*", "web", true),
            ("*-server-*", "ubuntu-server-2025", true),
            ("*a*b", "xaxbxb", true),
            ("w?b", "web", true),
            ("w?b", "wb", false),
            ("?", "한", true),
            (r"\*", "*", true),
            (r"\*", "x", false),
            ("", "", true),
            ("*", "", true),
            ("a*", "ba", false),
        ];
        for (pattern, text, expected) in table {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn an_unknown_filter_is_refused_even_when_there_is_nothing() {
        let ask = Ask { filters: Some(vec![filter("size", &["1"])]), ..Ask::default() };
        let refusal = THINGS.select(vec![], ask).err().unwrap();
        assert_eq!(refusal, Refusal::new("InvalidParameterValue", 400, "The filter 'size' is invalid"));
    }

    #[test]
    fn a_missing_identifier_is_refused() {
        let ask = Ask { ids: Some(vec!["t-1".into(), "t-9".into()]), ..Ask::default() };
        assert_eq!(THINGS.select(things(), ask).err().unwrap().message, "The thing ID 't-9' does not exist");
    }

    #[test]
    fn pages_follow_each_other_to_the_end() {
        let mut token = None;
        let mut sizes = Vec::new();
        loop {
            let page = page((0..11).collect(), Some(5), token).unwrap();
            sizes.push(page.items.len());
            token = page.next_token;
            if token.is_none() {
                break;
            }
        }
        assert_eq!(sizes, [5, 5, 1]);
        assert!(page(vec![1], Some(5), Some("nonsense".into())).is_err());
        assert!(page(vec![1], Some(0), None).is_err());
    }
}
