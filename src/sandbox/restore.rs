//! How a sandbox begins: empty, or where the file that keeps its state left off. Start at [`restore`].

use std::path::Path;

use http::Request as HttpRequest;

use super::control;
use super::direct::Caller;
use super::limits::Limits;
use super::server::{Options, Shared};
use super::store::{Change, Kept, Store, StoreError, What};
use super::universe::Universe;
use crate::clock::{Clock, Speed, Timestamp, VirtualClock};

/// A new universe, or the one that the file keeps; the file then begins anew with it.
///
/// # Errors
/// Those of [`Store::open`], and a file of a sandbox with other settings.
pub fn restore(options: &Options) -> Result<Shared, StoreError> {
    let Options { speed, start, limits, .. } = options;
    let shared =
        |at, universe, store| Shared::new(VirtualClock::new(at, *speed), universe, store, options.secret.clone());
    let new = || Universe::new(&options.account, options.seed, options.timing).with_limits(limits.clone());
    let Some(path) = &options.state else { return Ok(shared(*start, new(), None)) };
    let (mut store, kept) = Store::open(path)?;
    let (at, universe) = match kept {
        None => (*start, new()),
        Some(kept) => {
            check_settings(path, options, &kept.universe)?;
            let (left_at, universe) = gone_on(kept, limits);
            // On a clock that stands still no time passes while nobody runs it.
            (if *speed == Speed::PAUSED { left_at } else { left_at.max(*start) }, universe)
        }
    };
    store.begin(at, &universe)?;
    Ok(shared(at, universe, Some(store)))
}

/// What was kept, with everything done again that followed the first line; and when the last of it was.
fn gone_on(kept: Kept, limits: &Limits) -> (Timestamp, Universe) {
    let clock = VirtualClock::new(kept.at, Speed::PAUSED);
    let past = Shared::new(clock, kept.universe.with_limits(limits.clone()), None, None);
    kept.changes.iter().for_each(|change| redo(&past, change));
    (past.clock.now(), past.into_universe())
}

fn check_settings(path: &Path, options: &Options, universe: &Universe) -> Result<(), StoreError> {
    let (account, seed, timing) = universe.settings();
    if (account, seed, timing) == (options.account.as_str(), options.seed, options.timing) {
        return Ok(());
    }
    let wanted = format!("account {account}, seed {seed}, {timing} instances");
    Err(StoreError::OtherSettings { path: path.into(), wanted })
}

/// Does what was done before. It succeeded then, and the world is the same.
fn redo(past: &Shared, change: &Change) {
    past.clock.move_to(change.at);
    match &change.what {
        What::Call { access_key, region, service, operation, base_url, input } => {
            let caller = Caller { access_key, region, base_url };
            let mut universe = past.universe();
            // Messages between regions have arrived before, as they had then.
            universe.advance(change.at);
            let _ = universe.call_as(change.at, &caller, service, operation, input.clone());
        }
        What::Control { method, path_and_query, body } => {
            let request = HttpRequest::builder().method(method.as_str()).uri(path_and_query).body(());
            if let Ok(request) = request {
                control::respond(&request.into_parts().0, body.as_bytes(), past);
            }
        }
    }
}
