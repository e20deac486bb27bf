//! `bench`: every kernel beside sgemm, on a finished experiment, in one process and one run.

mod growth;
mod kernels;
mod measure;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use landscape::numeric::blas;
use measure::Row;
use pipeline::{Error, Failure, Result};
use serde::Serialize;
use store::artifact::Inputs;

/// Times every kernel beside sgemm and writes ARTIFACTS/bench/results.json.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Folder of all results
    #[arg(long, value_name = "DIR", default_value = "artifacts")]
    artifacts: PathBuf,
    /// A finished experiment of single precision with at least 9,984 samples
    #[arg(long, value_name = "NAME", default_value = "mnist")]
    experiment: String,
    /// Only the rows whose name contains this
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
    /// All rows: 60,000 samples too, all on one thread as well; a quarter of an hour
    #[arg(long)]
    full: bool,
    /// Instead: how time and memory of the experiments `samples-…` in this folder grow, to ARTIFACTS/bench/growth.json
    #[arg(long, value_name = "DIR")]
    growth: Option<PathBuf>,
}

#[derive(Serialize)]
struct Results {
    blas: String,
    sgemm_gflops: Vec<(usize, f64)>,
    rows: Vec<Row>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("error: {e}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    if let Some(folder) = &arguments.growth {
        let growth = growth::read(folder)?;
        growth::print(&growth);
        return write(arguments, "growth.json", &growth);
    }
    let blas = blas::use_one_thread();
    let inputs =
        Inputs::open(&arguments.artifacts.join(&arguments.experiment), &["fetch-data", "train", "eigen"])?;
    let bench = kernels::Bench::read(&inputs, &arguments.only)?;
    let all = rayon::current_num_threads();
    eprintln!("{blas}; {all} threads; experiment {}", arguments.experiment);

    let counts = if all == 1 || !arguments.full { vec![all] } else { vec![all, 1] };
    let pool = |threads: usize| rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pools = counts
        .into_iter()
        .map(pool)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|e| Error::fault("threads", e))?;
    let mut results = Results { blas, sgemm_gflops: vec![], rows: vec![] };
    for pool in &pools {
        let threads = pool.current_num_threads();
        let sgemm = pool.install(|| kernels::sgemm_gflops(threads));
        results.sgemm_gflops.push((threads, sgemm));
        eprintln!("sgemm 2048^3, {threads} threads: {sgemm:.1} GFLOP/s");
    }
    let mut time = |kernel: &(dyn Fn() -> Row + Sync), large: bool| {
        // The machine may be shared, and its clock drifts: sgemm is measured right before and right after each row, and
        // a row on one thread right after that on all.
        for pool in &pools[..if large { 1 } else { pools.len() }] {
            let row = pool.install(|| {
                let threads = pool.current_num_threads();
                let before = kernels::sgemm_gflops(threads);
                let mut row = kernel();
                row.sgemm_gflops = f64::midpoint(before, kernels::sgemm_gflops(threads));
                row.ratio_to_sgemm = row.flops / row.seconds / 1e9 / row.sgemm_gflops;
                row
            });
            print(&row, &results.rows);
            results.rows.push(row);
        }
    };
    bench.run(arguments.full, &mut time);
    for channels in [12, 42] {
        let (n, draws) = if arguments.full { (1024, 1024) } else { (1024 * 12 / channels, 128) };
        kernels::Bench::of_images(channels, n, &arguments.only).run_images(channels, draws, &mut time);
    }
    write(arguments, "results.json", &results)
}

fn write(arguments: &Arguments, name: &str, results: &impl Serialize) -> Result<()> {
    let dir = arguments.artifacts.join("bench");
    std::fs::create_dir_all(&dir).map_err(|e| Failure::cannot_write(&dir, &e))?;
    let path = dir.join(name);
    store::artifact::replace(&path, serde_json::to_string_pretty(results)?.as_bytes())?;
    eprintln!("{}", path.display());
    Ok(())
}

/// One line; with one thread also how much faster all threads were.
fn print(row: &Row, before: &[Row]) {
    let faster = before
        .iter()
        .find(|r| r.name == row.name && r.n_samples == row.n_samples && r.threads > row.threads)
        .map_or(String::new(), |r| {
            format!("{} threads {:.2} times faster ", r.threads, row.seconds / r.seconds)
        });
    let memory = row.peak_memory_mib.map_or(String::new(), |mib| format!("{mib} MiB"));
    eprintln!(
        "{:<34} N {:>9} {:>9.4} s  {:>6.3} of sgemm  {memory:>9}  {faster}{}",
        row.name, row.n_samples, row.seconds, row.ratio_to_sgemm, row.note
    );
}
