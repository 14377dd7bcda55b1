//! Links release builds for glibc at a fixed address.
//!
//! The tables of AWS's service models hold tens of thousands of pointers. At an address of the loader's choice each has to be
//! written at the start of every command, whatever it does: 3 MiB of memory and a millisecond. At a fixed address they are
//! pages of the file, which are read when somebody looks at them.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let is = |variable: &str, value: &str| std::env::var(variable).is_ok_and(|found| found == value);
    if is("PROFILE", "release") && is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu") {
        println!("cargo:rustc-link-arg-bins=-no-pie");
    }
}
