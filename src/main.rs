fn main() -> std::process::ExitCode {
    spanwatch::cli::main()
}
