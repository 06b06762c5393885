//! A connection that can be cut in the middle of an answer.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

/// Accepts [`Line`]s.
pub(super) struct Lines(pub(super) TcpListener);

/// One connection.
pub(super) struct Line {
    stream: TcpStream,
    scissors: Scissors,
}

/// Cuts the line on which a request came.
#[derive(Clone)]
pub(super) struct Scissors(Arc<AtomicUsize>);

/// The line is whole.
const WHOLE: usize = usize::MAX;

/// The line is cut: nothing more is written.
const CUT: usize = usize::MAX - 1;

impl Scissors {
    /// Cuts before the next byte.
    pub(super) fn cut(&self) {
        self.0.store(CUT, Ordering::SeqCst);
    }

    /// Cuts so that the last `bytes` of the next answer are lost.
    pub(super) fn cut_last(&self, bytes: usize) {
        self.0.store(bytes.clamp(1, CUT - 1), Ordering::SeqCst);
    }
}

impl Listener for Lines {
    type Io = Line;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Line, SocketAddr) {
        loop {
            match self.0.accept().await {
                Ok((stream, address)) => {
                    // Answers are small and each is one write: waiting to fill a segment only adds latency.
                    let _ = stream.set_nodelay(true);
                    return (Line { stream, scissors: Scissors(Arc::new(AtomicUsize::new(WHOLE))) }, address);
                }
                // Out of file descriptors, or the client has gone already: others may still come.
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

impl Connected<IncomingStream<'_, Lines>> for Scissors {
    fn connect_info(stream: IncomingStream<'_, Lines>) -> Self {
        stream.io().scissors.clone()
    }
}

impl AsyncRead for Line {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl AsyncWrite for Line {
    /// Not vectored, so that the head and the body of an answer come in one call.
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.scissors.0.load(Ordering::SeqCst) {
            WHOLE => Pin::new(&mut self.stream).poll_write(context, bytes),
            CUT => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            lost => {
                let kept = bytes.len().saturating_sub(lost).max(1);
                let written = Pin::new(&mut self.stream).poll_write(context, &bytes[..kept]);
                if let Poll::Ready(Ok(count)) = written {
                    // A short write leaves less to send, never more to lose.
                    if count == kept {
                        self.scissors.cut();
                    }
                }
                written
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
