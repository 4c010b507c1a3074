//! Questions and answers on a stream: length as u32 little-endian, then bytes.

use futures::{AsyncReadExt, AsyncWriteExt, FutureExt, prelude::*};
use libp2p::request_response::Codec;
use std::io;

/// Frames with a maximum each way.
#[derive(Clone, Debug)]
pub(crate) struct FrameCodec {
    pub request_max: usize,
    pub response_max: usize,
}

async fn read<T: AsyncRead + Unpin + Send>(io: &mut T, max: usize) -> io::Result<Vec<u8>> {
    let mut len = [0; 4];
    io.read_exact(&mut len).await?;
    let len = u32::from_le_bytes(len) as usize;
    if len > max {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("{len} bytes; at most {max}")));
    }
    // Grows with what arrives, not with what is promised.
    let mut bytes = Vec::with_capacity(len.min(64 << 10));
    let read = io.take(len as u64).read_to_end(&mut bytes).await?;
    if read == len { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// The frame at the beginning of bytes that are all there; none when there is no
/// whole one of at most `max` bytes.
#[must_use]
pub fn first_frame(bytes: &[u8], max: usize) -> Option<Vec<u8>> {
    read(&mut futures::io::Cursor::new(bytes), max).now_or_never()?.ok()
}

async fn write<T: AsyncWrite + Unpin + Send>(io: &mut T, bytes: &[u8], max: usize) -> io::Result<()> {
    if bytes.len() > max {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{} bytes; at most {max}", bytes.len()),
        ));
    }
    io.write_all(&(bytes.len() as u32).to_le_bytes()).await?;
    io.write_all(bytes).await?;
    io.close().await
}

impl Codec for FrameCodec {
    type Protocol = String;
    type Request = Vec<u8>;
    type Response = Vec<u8>;

    async fn read_request<T>(&mut self, _: &String, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(io, self.request_max).await
    }

    async fn read_response<T>(&mut self, _: &String, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(io, self.response_max).await
    }

    async fn write_request<T>(&mut self, _: &String, io: &mut T, bytes: Vec<u8>) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, &bytes, self.request_max).await
    }

    async fn write_response<T>(&mut self, _: &String, io: &mut T, bytes: Vec<u8>) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, &bytes, self.response_max).await
    }
}
