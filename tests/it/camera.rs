//! Network cameras, against a real RTSP server.

use rollcall::camera::{Camera, CameraState, CameraStatus, Decode};
use rollcall::config::{CameraConfig, CameraSource, RtspTransport};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

pub struct Server {
    child: Child,
    /// What it has printed: a line for each session that begins and ends.
    said: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// `None` where GStreamer is not installed.
    pub fn start(port: u16, codec: &str) -> Option<Server> {
        Server::start_with(port, codec, &[])
    }

    pub fn start_with(port: u16, codec: &str, options: &[&str]) -> Option<Server> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/rtsp-serve");
        Server::start_as(Command::new(script), port, codec, options)
    }

    /// `command` is the server's script, on whatever host it is to run.
    pub fn start_as(mut command: Command, port: u16, codec: &str, options: &[&str]) -> Option<Server> {
        let mut child = command
            .args([&port.to_string(), codec])
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("python3 is installed");
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().expect("piped"));
        output.read_line(&mut line).expect("UTF-8");
        let said = Arc::<Mutex<Vec<String>>>::default();
        let heard = said.clone();
        std::thread::spawn(move || {
            output.lines().map_while(Result::ok).for_each(|line| heard.lock().expect("nobody panics").push(line));
        });
        let server = Server { child, said };
        if !line.starts_with("serving") {
            eprintln!("skipped: GStreamer's RTSP server is missing; scripts/setup test installs it");
            return None;
        }
        Some(server)
    }

    fn times_said(&self, word: &str) -> usize {
        self.said.lock().expect("nobody panics").iter().filter(|line| *line == word).count()
    }

    fn wait_said(&self, word: &str, times: usize, seconds: u64) {
        let end = Instant::now() + Duration::from_secs(seconds);
        while self.times_said(word) < times {
            assert!(Instant::now() < end, "{word} was not said {times} times within {seconds} s");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Sets what is wrong with the scene's camera.
    pub fn fail(&mut self, fault: &str) {
        let input = self.child.stdin.as_mut().expect("piped");
        writeln!(input, "{fault}").expect("the server runs");
        input.flush().expect("the server runs");
    }

    pub fn signal(&self, name: &str) {
        Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().expect("kill");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
}

fn camera(url: &str, transport: RtspTransport) -> Camera {
    let source = CameraSource::Rtsp { url: url.parse().expect("a URL"), transport };
    Camera::start(&CameraConfig { name: "front".into(), source, stall_seconds: 1.0, record: false }, Decode::All)
}

fn wait(camera: &Camera, seconds: u64, what: &str, until: impl Fn(&CameraStatus) -> bool) -> CameraStatus {
    let end = Instant::now() + Duration::from_secs(seconds);
    loop {
        let status = camera.status();
        if until(&status) {
            return status;
        }
        assert!(Instant::now() < end, "not {what} within {seconds} s: {status:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn h264_and_h265_arrive_over_tcp_and_udp() {
    for codec in ["h264", "h265"] {
        let port = free_port();
        let Some(_server) = Server::start(port, codec) else { return };
        for transport in [RtspTransport::Tcp, RtspTransport::Udp] {
            let camera = camera(&format!("rtsp://127.0.0.1:{port}/camera"), transport);
            let status = wait(&camera, 20, "live with 30 frames", |status| status.frames >= 30);
            assert_eq!(
                (status.state, status.width, status.height),
                (CameraState::Live, 640, 360),
                "{codec} {transport:?}"
            );
            let frame = camera.frames().get().expect("30 of them");
            assert!(frame.picture.rgb.iter().any(|value| *value > 200), "the ball is white");
            let status = wait(&camera, 20, "key frames", |status| status.key_frame_seconds.is_some());
            let apart = status.key_frame_seconds.expect("told");
            assert!((0.7..1.5).contains(&apart), "{codec} {transport:?}: a second apart, but {apart:.2} s");
        }
    }
}

#[test]
fn a_camera_that_stops_sending_is_stalled_and_one_that_is_gone_is_absent_and_both_come_back() {
    let port = free_port();
    let Some(server) = Server::start(port, "h264") else { return };
    let url = format!("rtsp://user:geheim@127.0.0.1:{port}/camera");
    let camera = camera(&url, RtspTransport::Tcp);
    wait(&camera, 20, "live", |status| status.state == CameraState::Live);
    server.signal("STOP");
    let began = Instant::now();
    wait(&camera, 5, "stalled", |status| status.state == CameraState::Stalled);
    assert!(began.elapsed() < Duration::from_secs(2), "the limit is 1 s");
    server.signal("CONT");
    wait(&camera, 20, "live again", |status| status.state == CameraState::Live);
    drop(server);
    let status = wait(&camera, 20, "absent", |status| status.state == CameraState::Absent);
    let problem = status.problem.expect("an absent camera says why");
    assert!(!problem.contains("geheim") && problem.contains("trying again"), "{problem}");
    let _server = Server::start(port, "h264").expect("it started before");
    wait(&camera, 40, "live after a restart", |status| status.state == CameraState::Live);
}

#[test]
fn what_is_no_camera_is_absent_and_says_why() {
    let port = free_port();
    let Some(_server) = Server::start(port, "h264") else { return };
    let wrong_path = camera(&format!("rtsp://127.0.0.1:{port}/nothing"), RtspTransport::Tcp);
    let status = wait(&wrong_path, 20, "absent", |status| status.problem.is_some());
    assert!(status.problem.expect("just seen").contains("404"), "the server's own answer");

    let garbage = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = garbage.local_addr().expect("bound");
    std::thread::spawn(move || {
        for stream in garbage.incoming().flatten().take(3) {
            let mut stream = stream;
            let _ = stream.read(&mut [0; 1000]);
            let _ = stream.write_all(&[0x24; 70_000]);
        }
    });
    let camera = camera(&format!("rtsp://{address}/camera"), RtspTransport::Tcp);
    let status = wait(&camera, 20, "absent", |status| status.problem.is_some());
    assert_eq!(status.state, CameraState::Absent);
    let problem = status.problem.expect("just seen");
    assert_eq!(problem.lines().count(), 1, "{problem}");
}

#[test]
fn a_password_opens_the_camera_and_is_told_to_nobody() {
    let port = free_port();
    let Some(_server) = Server::start_with(port, "h264", &["--user", "warden:ge heim@"]) else { return };
    let open = camera(&format!("rtsp://warden:ge%20heim%40@127.0.0.1:{port}/camera"), RtspTransport::Tcp);
    wait(&open, 20, "live", |status| status.state == CameraState::Live);
    for wrong in ["warden:falsch@", ""] {
        let camera = camera(&format!("rtsp://{wrong}127.0.0.1:{port}/camera"), RtspTransport::Tcp);
        let problem = wait(&camera, 20, "refused", |status| status.problem.is_some()).problem.expect("just seen");
        assert!(problem.contains("401") && problem.lines().count() == 1, "{problem}");
        assert!(!problem.contains("warden") && !problem.contains("falsch"), "{problem}");
    }
}

#[test]
fn a_server_that_talks_but_shows_nothing_is_stalled_and_connected_to_anew() {
    let port = free_port();
    let Some(server) = Server::start(port, "h264") else { return };
    let camera = camera(&format!("rtsp://127.0.0.1:{port}/camera"), RtspTransport::Tcp);
    wait(&camera, 20, "live", |status| status.state == CameraState::Live);
    server.signal("USR1");
    let began = Instant::now();
    wait(&camera, 5, "stalled", |status| status.state == CameraState::Stalled);
    assert!(began.elapsed() < Duration::from_secs(2), "the limit is 1 s");
    // It is given up, and stalled until it is connected to anew: it is there, and answers.
    let given_up = |status: &CameraStatus| {
        assert_eq!((status.state, status.unreachable), (CameraState::Stalled, false), "{status:?}");
        status.problem.as_ref().is_some_and(|problem| problem.contains("trying again"))
    };
    let status = wait(&camera, 12, "given up", given_up);
    assert!(status.problem.is_some_and(|problem| problem.contains("no frame for")), "it says why");
    server.signal("USR1");
    wait(&camera, 40, "live again", |status| status.state == CameraState::Live);
    server.wait_said("play", 2, 1);
}

#[test]
fn lost_packets_are_counted_and_frames_go_on_with_the_next_key_frame() {
    let port = free_port();
    let Some(_server) = Server::start_with(port, "h264", &["--loss", "0.03"]) else { return };
    let camera = camera(&format!("rtsp://127.0.0.1:{port}/camera"), RtspTransport::Udp);
    let lost = wait(&camera, 30, "missing packets", |status| status.lost_packets > 0);
    wait(&camera, 20, "live after the loss", |status| status.frames > lost.frames + 5);
}

#[test]
fn a_camera_that_is_stopped_says_goodbye_to_its_server() {
    let port = free_port();
    let Some(server) = Server::start(port, "h264") else { return };
    for (times, transport) in [(1, RtspTransport::Tcp), (2, RtspTransport::Udp)] {
        let camera = camera(&format!("rtsp://127.0.0.1:{port}/camera"), transport);
        wait(&camera, 20, "live", |status| status.state == CameraState::Live);
        drop(camera);
        server.wait_said("teardown", times, 2);
    }
}

#[test]
fn a_server_that_never_answers_is_absent_and_can_be_left_at_once() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = silent.local_addr().expect("bound");
    let camera = camera(&format!("rtsp://{address}/camera"), RtspTransport::Tcp);
    wait(&camera, 3, "absent", |status| status.state == CameraState::Absent);
    // Its host answers: the network is not to blame.
    let status = wait(&camera, 15, "given up", |status| status.problem.is_some());
    assert_eq!((status.state, status.unreachable), (CameraState::Absent, false), "{status:?}");
    std::thread::sleep(Duration::from_millis(600));
    let began = Instant::now();
    drop(camera);
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}
