//! One real core in a test: its ring, its sockets, its hand-over to glommio.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use glommio::{LocalExecutorBuilder, Placement};

use super::clock::SystemClock;
use super::cores::{Driver, Process};
use super::disk::FileWork;
use super::mesh::mesh;
use super::net::listen_tcp;
use crate::config::Config;
use crate::session::core::{Core, Identity};
use crate::shard::message::CoreId;

/// Runs `body` as a task on a serving core, then stops the core.
fn on_a_core<F, B>(body: B)
where
    B: FnOnce(Rc<Core>, FileWork, std::net::SocketAddr) -> F + Send + 'static,
    F: Future<Output = ()> + 'static,
{
    let passed = Arc::new(AtomicBool::new(false));
    let result = Arc::clone(&passed);
    let executor = LocalExecutorBuilder::new(Placement::Unbound).io_memory(64 << 10);
    let thread = executor.spawn(move || async move {
        let listener = listen_tcp("127.0.0.1:0".parse().unwrap(), 16).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        let config = Arc::new(Config::default());
        let identity = Arc::new(Identity::for_tests(1));
        let clock = Box::new(SystemClock::new());
        let core = Rc::new(Core::new(CoreId(0), identity, config, clock, 1));
        let (mut ends, _) = mesh(1);
        let process = Arc::new(Process::default());
        process.serving.store(1, Ordering::Release);
        let end = ends.pop().unwrap();
        let driver = Driver::new(Rc::clone(&core), process, end, vec![listener]).unwrap();
        let files = driver.files.clone();
        glommio::spawn_local(async move {
            body(Rc::clone(&core), files, address).await;
            result.store(true, Ordering::Release);
            core.stopping.set(true);
        })
        .detach();
        driver.run().await.unwrap();
    });
    thread.unwrap().join().unwrap();
    assert!(passed.load(Ordering::Acquire), "the body did not finish");
}

#[test]
fn a_core_connects_to_itself_and_is_served() {
    on_a_core(|core, _, address| async move {
        let link = core.dialer.connect(address).await.unwrap();
        link.output().raw(b"PING\r\n");
        link.flush();
        assert!(link.readable().await);
        assert_eq!(link.take_chunk().unwrap().bytes(), b"+PONG\r\n");
        link.close();
    });
}

#[test]
fn a_refused_connection_is_an_error() {
    on_a_core(|core, _, _| async move {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let error = core.dialer.connect(address).await.err().unwrap();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    });
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the test measures real time")]
fn file_work_is_not_held_up_by_an_idle_core() {
    on_a_core(|_, files, _| async move {
        let path = std::env::current_exe().unwrap();
        let mut best = Duration::MAX;
        for _ in 0..20 {
            let begin = Instant::now();
            let bytes = files
                .run(async {
                    let file = glommio::io::BufferedFile::open(&path).await.unwrap();
                    let bytes = file.read_at(0, 4096).await.unwrap();
                    file.close().await.unwrap();
                    bytes
                })
                .await;
            best = best.min(begin.elapsed());
            assert_eq!(&bytes[1..4], b"ELF");
        }
        // Three operations, each given over within the reactor's period; a sleeping core would take
        // until its next cron, a hundred milliseconds.
        assert!(best < Duration::from_millis(5), "{best:?}");
    });
}

#[test]
fn timers_fire_while_nothing_else_happens() {
    on_a_core(|core, _, _| async move {
        let begin = core.now();
        core.timers.sleep_until(begin + 25).await;
        assert!(core.now() >= begin + 25);
    });
}
