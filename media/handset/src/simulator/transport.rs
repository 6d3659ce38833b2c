//! One connection of the adb server, and the streams on it: stop-and-wait, as adb is.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::device::Phone;
use super::link::LinkModel;
use super::services;
use super::wire::{MAX_PAYLOAD, Message, VERSION};

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A thread of the phone. It ends when its connection does.
pub(super) fn spawn(name: &str, body: impl FnOnce() + Send + 'static) {
    if let Err(error) = thread::Builder::new().name(name.into()).spawn(body) {
        tracing::error!(%error, name, "the simulated phone gets no thread");
    }
}

#[derive(Debug)]
pub(super) struct Link {
    pub(super) phone: Arc<Phone>,
    socket: TcpStream,
    writer: Mutex<TcpStream>,
    pipes: Mutex<HashMap<u32, Arc<Pipe>>>,
    next: AtomicU32,
    /// Steps through the jitter in an order that repeats itself in every run.
    dice: AtomicU64,
}

#[derive(Debug, Default)]
struct PipeState {
    inbox: VecDeque<u8>,
    has_credit: bool,
    is_closed: bool,
}

/// One stream.
#[derive(Debug)]
pub(super) struct Pipe {
    pub(super) link: Arc<Link>,
    local: u32,
    remote: u32,
    state: Mutex<PipeState>,
    changed: Condvar,
}

impl Link {
    pub(super) fn new(phone: Arc<Phone>, socket: TcpStream) -> io::Result<Self> {
        socket.set_nodelay(true)?;
        Ok(Self {
            phone,
            writer: Mutex::new(socket.try_clone()?),
            socket,
            pipes: Mutex::default(),
            next: AtomicU32::new(1),
            dice: AtomicU64::new(0),
        })
    }

    fn send(&self, command: [u8; 4], arg0: u32, arg1: u32, data: &[u8]) -> io::Result<()> {
        self.phone.wait_while_frozen();
        let link = self.phone.state().link;
        let mut writer = lock(&self.writer);
        if link != LinkModel::default() {
            let dice = self
                .dice
                .fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
            thread::sleep(link.hold(data.len(), dice >> 20));
        }
        Message::new(command, arg0, arg1, data).write(&mut *writer)
    }

    /// The phone is pulled off the cable.
    pub(super) fn cut(&self) {
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    pub(super) fn run(self: &Arc<Self>) {
        let Ok(mut reader) = self.socket.try_clone() else {
            return;
        };
        while let Ok(message) = Message::read(&mut reader) {
            self.phone.wait_while_frozen();
            if self.handle(&message).is_err() {
                break;
            }
        }
        self.cut();
        for pipe in lock(&self.pipes).drain().map(|(_, pipe)| pipe) {
            pipe.mark_closed();
        }
    }

    fn handle(self: &Arc<Self>, message: &Message) -> io::Result<()> {
        match &message.command {
            b"CNXN" if self.phone.state().ignores_greeting => Ok(()),
            b"CNXN" if self.phone.is_authorized() => self.greet(),
            b"CNXN" => self.send(*b"AUTH", 1, 0, &[7; 20]),
            // A signature of a key that is not known: another token until the public key comes.
            b"AUTH" if message.arg0 == 2 => self.send(*b"AUTH", 1, 0, &[8; 20]),
            b"AUTH" => {
                let link = Arc::clone(self);
                spawn("phone-prompt", move || {
                    if link.phone.wait_for_authorization() {
                        let _ = link.greet();
                    }
                });
                Ok(())
            }
            b"OPEN" => self.open(message),
            b"OKAY" => {
                self.pipe(message.arg1).inspect(|pipe| pipe.credit());
                Ok(())
            }
            b"WRTE" => match self.pipe(message.arg1) {
                Some(pipe) => {
                    pipe.arrived(&message.data);
                    self.send(*b"OKAY", pipe.local, pipe.remote, &[])
                }
                None => self.send(*b"CLSE", 0, message.arg0, &[]),
            },
            b"CLSE" => {
                let pipe = lock(&self.pipes).remove(&message.arg1);
                if let Some(pipe) = pipe {
                    pipe.mark_closed();
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn greet(&self) -> io::Result<()> {
        let model = &self.phone.settings().model;
        let banner = format!(
            "device::ro.product.name=lsie_sim;ro.product.model={model};ro.product.device=sim;features=cmd,shell_v2,stat_v2"
        );
        self.send(*b"CNXN", VERSION, MAX_PAYLOAD, banner.as_bytes())
    }

    fn pipe(&self, local: u32) -> Option<Arc<Pipe>> {
        lock(&self.pipes).get(&local).cloned()
    }

    fn open(self: &Arc<Self>, message: &Message) -> io::Result<()> {
        let service = String::from_utf8_lossy(&message.data);
        let service = service.trim_end_matches('\0').to_owned();
        if !services::is_offered(&self.phone, &service) {
            return self.send(*b"CLSE", 0, message.arg0, &[]);
        }
        let pipe = Arc::new(Pipe {
            link: Arc::clone(self),
            local: self.next.fetch_add(1, Ordering::Relaxed),
            remote: message.arg0,
            state: Mutex::new(PipeState {
                has_credit: true,
                ..PipeState::default()
            }),
            changed: Condvar::new(),
        });
        lock(&self.pipes).insert(pipe.local, Arc::clone(&pipe));
        self.send(*b"OKAY", pipe.local, pipe.remote, &[])?;
        if service.starts_with("localabstract:") {
            // Queued in the order of their coming, as a listening socket does.
            services::serve(&pipe, &service);
        } else {
            spawn("phone-service", move || services::serve(&pipe, &service));
        }
        Ok(())
    }
}

impl Pipe {
    fn mark_closed(&self) {
        lock(&self.state).is_closed = true;
        self.changed.notify_all();
    }

    fn credit(&self) {
        lock(&self.state).has_credit = true;
        self.changed.notify_all();
    }

    fn arrived(&self, bytes: &[u8]) {
        lock(&self.state).inbox.extend(bytes);
        self.changed.notify_all();
    }

    pub(super) fn is_closed(&self) -> bool {
        lock(&self.state).is_closed
    }

    /// Sends in pieces, each after the one before was acknowledged.
    pub(super) fn write(&self, bytes: &[u8]) -> io::Result<()> {
        for piece in bytes.chunks(MAX_PAYLOAD as usize) {
            let waiting = |state: &mut PipeState| !state.has_credit && !state.is_closed;
            let mut state = self
                .changed
                .wait_while(lock(&self.state), waiting)
                .unwrap_or_else(PoisonError::into_inner);
            if state.is_closed {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            state.has_credit = false;
            drop(state);
            self.link.send(*b"WRTE", self.local, self.remote, piece)?;
        }
        Ok(())
    }

    pub(super) fn read(&self, count: usize) -> io::Result<Vec<u8>> {
        let waiting = |state: &mut PipeState| state.inbox.len() < count && !state.is_closed;
        let mut state = self
            .changed
            .wait_while(lock(&self.state), waiting)
            .unwrap_or_else(PoisonError::into_inner);
        if state.inbox.len() < count {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(state.inbox.drain(..count).collect())
    }

    /// Waits for the other side to close, `time` at most.
    pub(super) fn wait_closed(&self, time: Duration) {
        let open = |state: &mut PipeState| !state.is_closed;
        drop(
            self.changed
                .wait_timeout_while(lock(&self.state), time, open),
        );
    }

    pub(super) fn close(&self) {
        if !self.is_closed() {
            let _ = self.link.send(*b"CLSE", self.local, self.remote, &[]);
        }
        lock(&self.link.pipes).remove(&self.local);
        self.mark_closed();
    }
}
