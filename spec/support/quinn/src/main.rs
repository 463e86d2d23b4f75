//! MQTT over QUIC by quinn and rustls, for specs: what another implementation makes of it.
//!
//!     quinn-pipe server PORT CERTIFICATE KEY     QUIC on a free port, in front of a broker's TCP port
//!     quinn-pipe client PORT AUTHORITY           TCP on a free port, in front of a QUIC server's
//!
//! The first bidirectional stream of a connection is a TCP connection. "port N" on standard output says that it
//! listens, then a line says what became of each connection. USR1 moves a client to another socket.

use std::{error::Error, fs, net::SocketAddr, sync::Arc, time::Duration};

use quinn::{ClientConfig, Connection, Endpoint, RecvStream, SendStream, ServerConfig, TransportConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{signal, SignalKind};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const ALPN: &[u8] = b"mqtt";
const PIECE: usize = 16384;

fn loopback(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

fn certificates(path: &str) -> Outcome<Vec<rustls::Certificate>> {
    let text = fs::read(path)?;
    Ok(rustls_pemfile::certs(&mut &*text)?.into_iter().map(rustls::Certificate).collect())
}

fn transport() -> Outcome<Arc<TransportConfig>> {
    let mut config = TransportConfig::default();
    config.max_idle_timeout(Some(Duration::from_secs(30).try_into()?));
    Ok(Arc::new(config))
}

async fn to_quic(first: Option<Vec<u8>>, mut from: tokio::net::tcp::OwnedReadHalf, mut to: SendStream) -> Outcome<()> {
    let mut bytes = vec![0; PIECE];
    if let Some(first) = first {
        to.write_all(&first).await?;
    }
    loop {
        let count = from.read(&mut bytes).await?;
        if count == 0 {
            return Ok(to.finish().await?);
        }
        to.write_all(&bytes[..count]).await?;
    }
}

async fn to_tcp(mut from: RecvStream, mut to: tokio::net::tcp::OwnedWriteHalf) -> Outcome<()> {
    let mut bytes = vec![0; PIECE];
    while let Some(count) = from.read(&mut bytes).await? {
        to.write_all(&bytes[..count]).await?;
    }
    Ok(to.shutdown().await?)
}

async fn join(first: Option<Vec<u8>>, tcp: TcpStream, send: SendStream, receive: RecvStream) -> Outcome<()> {
    let (from, to) = tcp.into_split();
    let (there, back) = tokio::join!(to_quic(first, from, send), to_tcp(receive, to));
    there.and(back)
}

async fn serve(broker: u16, connection: Connection) -> Outcome<()> {
    let (send, receive) = connection.accept_bi().await?;
    println!("stream: {}", if receive.is_0rtt() { "early" } else { "late" });
    let tcp = TcpStream::connect(loopback(broker)).await?;
    tcp.set_nodelay(true)?;
    join(None, tcp, send, receive).await?;
    connection.close(0u32.into(), b"");
    Ok(())
}

async fn server(broker: u16, certificate: &str, key: &str) -> Outcome<()> {
    let key = rustls_pemfile::pkcs8_private_keys(&mut &*fs::read(key)?)?.pop().ok_or("no key")?;
    let mut tls = rustls::ServerConfig::builder()
        .with_safe_defaults()
        .with_no_client_auth()
        .with_single_cert(certificates(certificate)?, rustls::PrivateKey(key))?;
    tls.alpn_protocols = vec![ALPN.to_vec()];
    tls.max_early_data_size = u32::MAX; // RFC 9001, 4.6.1
    let mut config = ServerConfig::with_crypto(Arc::new(tls));
    config.transport = transport()?;
    let endpoint = Endpoint::server(config, loopback(0))?;
    println!("port {}", endpoint.local_addr()?.port());
    while let Some(connecting) = endpoint.accept().await {
        tokio::spawn(async move {
            let outcome = match connecting.into_0rtt() {
                Ok((connection, _)) => serve(broker, connection).await,
                Err(connecting) => match connecting.await {
                    Ok(connection) => serve(broker, connection).await,
                    Err(problem) => Err(problem.into()),
                },
            };
            println!("ended: {:?}", outcome);
        });
    }
    Ok(())
}

async fn lead(endpoint: Endpoint, port: u16, mut tcp: TcpStream) -> Outcome<()> {
    tcp.set_nodelay(true)?;
    let mut first = vec![0; PIECE];
    let count = tcp.read(&mut first).await?;
    first.truncate(count);
    let connection = match endpoint.connect(loopback(port), "localhost")?.into_0rtt() {
        Ok((connection, accepted)) => {
            let (mut send, receive) = connection.open_bi().await?;
            send.write_all(&first).await?;
            if accepted.await {
                println!("early: accepted");
                return join(None, tcp, send, receive).await;
            }
            println!("early: rejected");
            connection
        }
        Err(connecting) => {
            let connection = connecting.await?;
            println!("early: none");
            connection
        }
    };
    let (send, receive) = connection.open_bi().await?;
    join(Some(first), tcp, send, receive).await
}

async fn client(port: u16, authority: &str) -> Outcome<()> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in certificates(authority)? {
        roots.add(&certificate)?;
    }
    let mut tls = rustls::ClientConfig::builder().with_safe_defaults().with_root_certificates(roots).with_no_client_auth();
    tls.alpn_protocols = vec![ALPN.to_vec()];
    tls.enable_early_data = true;
    let mut config = ClientConfig::new(Arc::new(tls));
    config.transport_config(transport()?);
    let mut endpoint = Endpoint::client(loopback(0))?;
    endpoint.set_default_client_config(config);
    let listener = TcpListener::bind(loopback(0)).await?;
    let mut moves = signal(SignalKind::user_defined1())?;
    println!("port {}", listener.local_addr()?.port());
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (tcp, _) = accepted?;
                let endpoint = endpoint.clone();
                tokio::spawn(async move {
                    let outcome = lead(endpoint, port, tcp).await;
                    println!("ended: {:?}", outcome);
                });
            }
            _ = moves.recv() => {
                endpoint.rebind(std::net::UdpSocket::bind(loopback(0))?)?;
                println!("moved");
            }
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let words: Vec<String> = std::env::args().collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[1..] {
        ["server", port, certificate, key] => server(port.parse()?, certificate, key).await,
        ["client", port, authority] => client(port.parse()?, authority).await,
        _ => Err("see the head of main.rs".into()),
    }
}
