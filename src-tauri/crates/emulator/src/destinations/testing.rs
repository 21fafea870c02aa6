//! A client of a destination, for the tests of each.

use std::io;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Says something to a destination and hears it out.
pub(super) async fn talk<Served>(said: &[u8], serve: impl FnOnce(TcpStream) -> Served) -> Vec<u8>
where
    Served: Future<Output = io::Result<()>>,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    let talk = async {
        client.write_all(said).await.unwrap();
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        answer
    };
    let (answer, served) = tokio::join!(talk, serve(stream));
    served.unwrap();
    answer
}
