//! Lists given a page at a time: a token says after which name the next page begins, opaque to the caller.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::engine::Refusal;

/// Items by their names, and the token of the next page if there is one.
pub type Page<T> = (Vec<(String, T)>, Option<String>);

/// Up to `size` of `items`, which are in the order of their names, after the one that `token` stands for.
///
/// # Errors
/// `invalid` for a token that is none.
pub fn after<T>(
    items: impl Iterator<Item = (String, T)>,
    token: Option<&str>,
    size: usize,
    invalid: impl Fn() -> Refusal,
) -> Result<Page<T>, Refusal> {
    let after = token.map(|token| STANDARD.decode(token)).transpose().map_err(|_| invalid())?;
    let after = after.map(String::from_utf8).transpose().map_err(|_| invalid())?;
    let rest = items.filter(|(name, _)| after.as_ref().is_none_or(|after| name > after));
    let mut page: Vec<(String, T)> = rest.take(size + 1).collect();
    let more = page.len() > size;
    page.truncate(size);
    let next = page.last().filter(|_| more).map(|(name, _)| STANDARD.encode(name));
    Ok((page, next))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_hold_every_item_once() {
        let items = || ["a", "b", "c", "d", "e"].map(|name| (name.to_string(), name)).into_iter();
        let invalid = || Refusal::validation("no token");
        let (mut found, mut token) = (Vec::new(), None);
        loop {
            let (page, next) = after(items(), token.as_deref(), 2, invalid).unwrap();
            assert!(page.len() <= 2);
            found.extend(page.into_iter().map(|(_, item)| item));
            token = next;
            if token.is_none() {
                break;
            }
        }
        assert_eq!(found, ["a", "b", "c", "d", "e"]);
        assert_eq!(after(items(), Some("?"), 2, invalid).unwrap_err().message, "no token");
    }
}
