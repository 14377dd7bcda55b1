fn main() -> std::process::ExitCode {
    scaleproof::cli::main()
}
