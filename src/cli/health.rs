//! `scaleproof sandbox health`: whether a sandbox on this machine answers, for where nothing else can ask: a container
//! whose image holds one file.

use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use clap::Args;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Exit, Failure};

/// A sandbox answers within milliseconds; one that takes this long is of no use.
const PATIENCE: Duration = Duration::from_secs(3);

/// Ask a sandbox on this machine whether it answers; exits 4 if it does not
#[derive(Debug, Args)]
pub struct Health {
    /// Port that the sandbox listens on
    #[arg(long, default_value_t = 4599)]
    port: u16,
}

#[derive(Debug, thiserror::Error)]
#[error("no sandbox answers on port {port}")]
struct NoSandbox {
    port: u16,
    source: io::Error,
}

pub async fn run(args: &Health) -> Result<Exit, Failure> {
    let port = args.port;
    let answer = tokio::time::timeout(PATIENCE, ask(port)).await.unwrap_or_else(|late| Err(late.into()));
    match answer.and_then(|answer| judge(&answer)) {
        Ok(health) => {
            anstream::println!("{health}");
            Ok(Exit::Done)
        }
        Err(source) => Err(Failure::new(Exit::Aws, NoSandbox { port, source })),
    }
}

async fn ask(port: u16) -> io::Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    let request = format!("GET /_scaleproof/health HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

/// What the sandbox says of itself, as one line of JSON.
fn judge(answer: &str) -> io::Result<serde_json::Value> {
    let other = || io::Error::other("something that is not a sandbox answered");
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(other)?;
    let health: serde_json::Value = serde_json::from_str(body).map_err(|_| other())?;
    let runs = head.starts_with("HTTP/1.1 200 ") && health["status"] == "running";
    if runs { Ok(health) } else { Err(other()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::Sandbox;

    fn exit(port: u16) -> Exit {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(&Health { port })).unwrap_or_else(|failure| failure.exit)
    }

    #[test]
    fn a_sandbox_is_found_while_it_runs() {
        let sandbox = Sandbox::start().unwrap();
        let port = sandbox.address().port();
        assert_eq!(exit(port), Exit::Done);
        drop(sandbox);
        assert_eq!(exit(port), Exit::Aws);
    }

    #[test]
    fn what_answers_otherwise_is_no_sandbox() {
        for answer in [
            "",
            "SSH-2.0-OpenSSH_9.2\r\n",
            "HTTP/1.1 200 OK\r\n\r\n<html>",
            "HTTP/1.1 200 OK\r\n\r\n{\"services\": {}}",
            "HTTP/1.1 503 Service Unavailable\r\n\r\n{\"status\": \"running\"}",
        ] {
            assert!(judge(answer).is_err(), "{answer:?}");
        }
        assert!(judge("HTTP/1.1 200 OK\r\n\r\n{\"status\": \"running\"}").is_ok());
    }
}
