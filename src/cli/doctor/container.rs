//! Whether a container engine answers. Only the tests that run containers want one.
//! Asked over its socket, so that no program has to be there and none is started.

use std::path::PathBuf;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::{Finding, Verdict};

const PATIENCE: Duration = Duration::from_secs(3);
const DEFAULT_SOCKET: &str = "/var/run/docker.sock";
const REMEDY: &str = "install Docker Engine; only tests that run containers need it";

pub(super) async fn look() -> Finding {
    let finding = match socket(std::env::var("DOCKER_HOST").ok()) {
        Some(socket) => match tokio::time::timeout(PATIENCE, ask(&socket)).await {
            Ok(Ok(answer)) => judge(&answer),
            Ok(Err(error)) => {
                Finding::new(NAME, Verdict::NotMet, format!("cannot ask `{}`: {error}", socket.display()))
                    .remedy(REMEDY)
            }
            Err(_) => Finding::new(NAME, Verdict::CouldNotTell, format!("`{}` does not answer", socket.display())),
        },
        None => Finding::new(NAME, Verdict::CouldNotTell, "`DOCKER_HOST` names no socket on this machine"),
    };
    finding.optional()
}

const NAME: &str = "container-engine";

/// The socket that docker's own client would use; `None` for an engine elsewhere.
fn socket(docker_host: Option<String>) -> Option<PathBuf> {
    match docker_host.filter(|host| !host.is_empty()) {
        Some(host) => host.strip_prefix("unix://").map(PathBuf::from),
        None => Some(PathBuf::from(DEFAULT_SOCKET)),
    }
}

async fn ask(socket: &PathBuf) -> std::io::Result<String> {
    let mut stream = UnixStream::connect(socket).await?;
    stream.write_all(b"GET /version HTTP/1.0\r\nHost: docker\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

fn judge(answer: &str) -> Finding {
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let version = serde_json::from_str::<serde_json::Value>(body)
        .ok()
        .and_then(|answer| Some(answer.get("Version")?.as_str()?.to_string()));
    match version {
        Some(version) => Finding::new(NAME, Verdict::Met, format!("version {version}")),
        None => Finding::new(NAME, Verdict::CouldNotTell, "its answer has no version"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_socket_of_this_machine_is_asked() {
        assert_eq!(socket(None), Some(DEFAULT_SOCKET.into()));
        assert_eq!(socket(Some("unix:///run/user/1000/podman.sock".into())), Some("/run/user/1000/podman.sock".into()));
        assert_eq!(socket(Some("tcp://10.0.0.1:2375".into())), None);
    }

    #[test]
    fn the_version_is_read_out_of_the_answer() {
        let answer = "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{\"Version\":\"20.10.24\"}";
        assert_eq!(judge(answer).found, "version 20.10.24");
        assert_eq!(judge("HTTP/1.0 404 Not Found\r\n\r\n").verdict, Verdict::CouldNotTell);
    }
}
