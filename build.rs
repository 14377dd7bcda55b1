//! Links release builds for a shared glibc at a fixed address.
//!
//! The tables of AWS's service models hold tens of thousands of pointers. At an address of the loader's choice each has to be
//! written at the start of every command, whatever it does: 3 MiB of memory and a millisecond. At a fixed address they are
//! pages of the file, which are read when somebody looks at them.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let is = |variable: &str, value: &str| std::env::var(variable).is_ok_and(|found| found == value);
    let is_static = std::env::var("CARGO_CFG_TARGET_FEATURE").is_ok_and(|all| all.contains("crt-static"));
    let is_glibc = is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu");
    if is("PROFILE", "release") && is_glibc && !is_static {
        println!("cargo:rustc-link-arg-bins=-no-pie");
    }
}
