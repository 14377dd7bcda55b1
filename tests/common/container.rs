//! Containers that a test starts, and ends when it drops them.

use std::time::Duration;

use testcontainers::core::IntoContainerPort;
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, ContainerRequest, GenericImage, ImageExt};

/// LocalStack's port, and that of the sandbox in its image.
pub const GATEWAY: u16 = 4566;

/// An image by its name and tag.
pub fn image(named: &str) -> GenericImage {
    let (name, tag) = named.rsplit_once(':').expect("an image is named with its tag");
    GenericImage::new(name, tag)
}

/// Starts a container that serves AWS on a free port of this machine alone; returns it and its URL.
pub async fn start(request: ContainerRequest<GenericImage>) -> (ContainerAsync<GenericImage>, String) {
    let container: ContainerAsync<GenericImage> = request
        .with_mapped_port(0, GATEWAY.tcp())
        .with_startup_timeout(Duration::from_secs(120))
        .with_host_config_modifier(|host| {
            let bindings = host.port_bindings.iter_mut().flat_map(|ports| ports.values_mut()).flatten().flatten();
            bindings.for_each(|binding| binding.host_ip = Some("127.0.0.1".into()));
        })
        .start()
        .await
        .unwrap_or_else(|error| panic!("cannot start the container: {error}"));
    let port = container.get_host_port_ipv4(GATEWAY).await.expect("the port is mapped");
    (container, format!("http://127.0.0.1:{port}"))
}
