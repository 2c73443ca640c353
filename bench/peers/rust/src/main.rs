// SPDX-License-Identifier: MIT
//! What an engineer would write in Rust who counts microseconds: reqwest on one tokio thread, in
//! the same cases. bench-peer CASE name=value...

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{stream, StreamExt};
use reqwest::{Client, RequestBuilder};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code)]
struct Info {
    #[serde(rename = "sandboxID")]
    sandbox_id: String,
    #[serde(rename = "templateID")]
    template_id: String,
    alias: Option<String>,
    started_at: String,
    end_at: String,
    state: String,
    cpu_count: i64,
    #[serde(rename = "memoryMB")]
    memory_mb: i64,
    #[serde(rename = "diskSizeMB")]
    disk_mb: i64,
    envd_version: String,
    domain: Option<String>,
    metadata: HashMap<String, String>,
}

const SANDBOX: &str = "i1a2b3c4d5e6f7g8h9j0k";

struct Bench {
    client: Client,
    api: String,
    sandbox: String,
    key: String,
    options: HashMap<String, String>,
    latencies: RefCell<Vec<u64>>,
    began: Cell<(f64, u64)>,
    stream_bytes: Cell<f64>,
}

fn now_us() -> u64 {
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut t) };
    t.tv_sec as u64 * 1_000_000 + t.tv_nsec as u64 / 1000
}

fn cpu_us() -> f64 {
    let mut u: libc::rusage = unsafe { std::mem::zeroed() };
    unsafe { libc::getrusage(libc::RUSAGE_SELF, &mut u) };
    (u.ru_utime.tv_sec + u.ru_stime.tv_sec) as f64 * 1e6
        + (u.ru_utime.tv_usec + u.ru_stime.tv_usec) as f64
}

fn status_kb(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// One field of protobuf's wire format: number, value of a varint, bytes.
fn field(data: &mut &[u8]) -> Option<(u64, u64, Vec<u8>)> {
    let varint = |data: &mut &[u8]| -> Option<u64> {
        let (mut value, mut shift) = (0u64, 0);
        loop {
            let (&byte, rest) = data.split_first()?;
            *data = rest;
            value |= u64::from(byte & 127) << shift;
            if byte < 128 {
                return Some(value);
            }
            shift += 7;
        }
    };
    let tag = varint(data)?;
    let value = varint(data)?;
    if tag & 7 == 0 {
        return Some((tag >> 3, value, Vec::new()));
    }
    let (bytes, rest) = data.split_at_checked(value as usize)?;
    let found = bytes.to_vec();
    *data = rest;
    Some((tag >> 3, value, found))
}

impl Bench {
    fn number(&self, name: &str, fallback: u64) -> u64 {
        self.options.get(name).map_or(fallback, |v| v.parse().unwrap())
    }

    fn start(&self) {
        self.latencies.borrow_mut().clear();
        self.began.set((cpu_us(), now_us()));
    }

    fn finish(&self, operations: u64, bytes: u64) {
        let (cpu, wall) = self.began.get();
        let (cpu, wall) = (cpu_us() - cpu, now_us() - wall);
        let mut sorted = self.latencies.borrow_mut();
        sorted.sort_unstable();
        let part = |p: usize| sorted.get(sorted.len() * p / 100).copied().unwrap_or(0);
        println!(
            "{{\"operations\":{operations},\"bytes\":{bytes},\"failed\":0,\"cpu_us\":{cpu},\
             \"wall_us\":{wall},\"peak_kb\":{},\"p50_us\":{},\"p99_us\":{},\"stream_bytes\":{}}}",
            status_kb("VmHWM"), part(50), part(99), self.stream_bytes.get()
        );
    }

    async fn get_info(&self) {
        let url = format!("{}/sandboxes/{SANDBOX}", self.api);
        let answer = self.client.get(url).header("X-API-KEY", &self.key).send().await.unwrap();
        assert!(answer.status().is_success());
        let info: Info = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        assert!(info.cpu_count == 2 && info.metadata.len() == 2);
    }

    fn launch(&self, client: &Client, line: &str) -> RequestBuilder {
        let len = line.len() as u8;
        let mut body = vec![0, 0, 0, 0, len + 4, 0x0a, len + 2, 0x0a, len];
        body.extend_from_slice(line.as_bytes());
        client
            .post(format!("{}/process.Process/Start", self.sandbox))
            .header("Content-Type", "application/connect+proto")
            .header("Connect-Protocol-Version", "1")
            .header("E2b-Sandbox-Id", SANDBOX)
            .header("E2b-Sandbox-Port", "49983")
            .header("X-Access-Token", "ea_0123456789abcdef0123456789abcdef")
            .header("Keepalive-Ping-Interval", "50")
            .body(body)
    }

    /// A command's stream to its end; `output` gets each piece. The exit code.
    async fn run(&self, line: &str, output: impl FnMut(&[u8])) -> i64 {
        self.follow(self.launch(&self.client, line), || {}, output).await
    }

    async fn follow(
        &self,
        request: RequestBuilder,
        mut started: impl FnMut(),
        mut output: impl FnMut(&[u8]),
    ) -> i64 {
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success());
        let mut body = answer.bytes_stream();
        let mut kept = BytesMut::new();
        let mut exit = -1;
        while let Some(piece) = body.next().await {
            kept.extend_from_slice(&piece.unwrap());
            while kept.len() >= 5 {
                let len = u32::from_be_bytes(kept[1..5].try_into().unwrap()) as usize;
                if kept.len() < 5 + len {
                    break;
                }
                let flags = kept[0];
                kept.advance(5);
                let message: Bytes = kept.split_to(len).freeze();
                if flags & 2 != 0 {
                    continue;
                }
                let response = field(&mut &message[..]).unwrap().2;
                let (kind, _, event) = field(&mut &response[..]).unwrap();
                let mut rest = &event[..];
                match kind {
                    1 => started(),
                    3 => exit = 0,
                    _ => {}
                }
                while let Some((number, value, bytes)) = field(&mut rest) {
                    match (kind, number) {
                        (2, 1) => output(&bytes),
                        (3, 1) => exit = (value >> 1) as i64,
                        _ => {}
                    }
                }
            }
        }
        exit
    }

    async fn many<F: std::future::Future<Output = ()>>(&self, count: u64, op: impl Fn() -> F) {
        let in_flight = self.number("in_flight", 64) as usize;
        stream::iter(0..count)
            .for_each_concurrent(in_flight, |_| async {
                let began = now_us();
                op().await;
                self.latencies.borrow_mut().push(now_us() - began);
            })
            .await;
    }

    async fn repeated<F: std::future::Future<Output = ()>>(&self, count: u64, op: impl Fn() -> F) {
        self.many(self.number("warm_up", 2000), &op).await;
        let count = self.number("count", count);
        self.start();
        self.many(count, &op).await;
        self.finish(count, 0);
    }

    async fn stdout(&self) {
        let (chunk, total) = (self.number("chunk", 32768), self.number("total", 512 << 20));
        let mut bytes = 0;
        self.run(&format!("flood {chunk} {}", total / 16), |_| {}).await;
        self.start();
        self.run(&format!("flood {chunk} {total}"), |d| bytes += d.len() as u64).await;
        self.finish(bytes / chunk, bytes);
    }

    async fn file_read(&self) {
        let total = self.number("total", 1 << 30);
        for (round, size) in [total / 64, total].into_iter().enumerate() {
            if round == 1 {
                self.start();
            }
            let url = format!("{}/files?path={size}", self.sandbox);
            let mut body = self.client.get(url).send().await.unwrap().bytes_stream();
            let mut bytes = 0;
            while let Some(piece) = body.next().await {
                bytes += piece.unwrap().len() as u64;
            }
            assert_eq!(bytes, size);
        }
        self.finish(1, total);
    }

    async fn file_write(&self) {
        let total = self.number("total", 1 << 30);
        static BLOCK: [u8; 65536] = [b'x'; 65536];
        for (round, size) in [total / 64, total].into_iter().enumerate() {
            if round == 1 {
                self.start();
            }
            let pieces = (0..size / 65536)
                .map(|_| Ok::<_, std::io::Error>(Bytes::copy_from_slice(&BLOCK)));
            let body = reqwest::Body::wrap_stream(stream::iter(pieces));
            let url = format!("{}/files?path=file", self.sandbox);
            let answer = self.client.post(url).body(body).send().await.unwrap();
            assert!(answer.status().is_success());
            answer.bytes().await.unwrap();
        }
        self.finish(1, total);
    }
}

/// reqwest has one HTTP/2 connection to a server, whose limit is 100 streams; more is queued. So each
/// hundred has a client of its own.
const A_CONNECTION: u64 = 100;

async fn streams(bench: Rc<Bench>) {
    let wanted = bench.number("streams", 1000);
    let http2 = bench.sandbox.starts_with("https:");
    let events = Rc::new(Cell::new(0u64));
    let gate = std::sync::Arc::new(tokio::sync::Semaphore::new(A_CONNECTION as usize));
    let before = status_kb("VmRSS");
    let mut client = bench.client.clone();
    for at in 0..wanted {
        if http2 && at % A_CONNECTION == 0 {
            client = new_client();
        }
        let (bench, events, client) = (bench.clone(), events.clone(), client.clone());
        let permit = gate.clone().acquire_owned().await.unwrap();
        tokio::task::spawn_local(async move {
            let mut permit = Some(permit);
            let request = bench.launch(&client, "tick");
            let on_output = |data: &[u8]| {
                let sent: u64 = std::str::from_utf8(data).unwrap().trim().parse().unwrap();
                bench.latencies.borrow_mut().push(now_us() - sent);
                events.set(events.get() + 1);
            };
            bench.follow(request, || drop(permit.take()), on_output).await;
        });
    }
    let _all_started = gate.acquire_many(A_CONNECTION as u32).await.unwrap();
    tokio::time::sleep(Duration::from_millis(bench.number("settle_ms", 2000))).await;
    bench.stream_bytes.set((status_kb("VmRSS") - before) as f64 * 1024.0 / wanted as f64);
    events.set(0);
    bench.start();
    tokio::time::sleep(Duration::from_secs(bench.number("seconds", 10))).await;
    bench.finish(events.get(), 0);
}

async fn run(case: String, bench: Rc<Bench>) {
    match case.as_str() {
        "start" => {
            bench.start();
            bench.get_info().await;
            bench.finish(1, 0);
        }
        "get_info" => bench.repeated(20000, || bench.get_info()).await,
        "run_command" => {
            let op = || async {
                let mut output = Vec::new();
                let exit = bench.run("hello", |data| output.extend_from_slice(data)).await;
                assert!(exit == 0 && output == b"hello\n");
            };
            bench.repeated(10000, op).await
        }
        "stdout" => bench.stdout().await,
        "file_read" => bench.file_read().await,
        "file_write" => bench.file_write().await,
        "streams" => streams(bench).await,
        other => panic!("no case {other}"),
    }
}

fn new_client() -> Client {
    let mut builder = Client::builder().tcp_nodelay(true).no_proxy();
    if let Ok(path) = std::env::var("SSL_CERT_FILE") {
        let certificate = reqwest::Certificate::from_pem(&std::fs::read(path).unwrap()).unwrap();
        builder = builder.tls_built_in_root_certs(false).add_root_certificate(certificate);
    }
    builder.build().unwrap()
}

fn main() {
    let mut args = std::env::args().skip(1);
    let case = args.next().expect("a case");
    let options = args.filter_map(|a| a.split_once('=').map(|(k, v)| (k.into(), v.into())));
    let bench = Rc::new(Bench {
        client: new_client(),
        api: std::env::var("E2B_API_URL").unwrap(),
        sandbox: std::env::var("E2B_SANDBOX_URL").unwrap(),
        key: std::env::var("E2B_API_KEY").unwrap(),
        options: options.collect(),
        latencies: RefCell::new(Vec::new()),
        began: Cell::new((0.0, 0)),
        stream_bytes: Cell::new(0.0),
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(tokio::task::LocalSet::new().run_until(run(case, bench)));
    std::process::exit(0); // streams that never end are left as they are
}
