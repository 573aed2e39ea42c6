//! A real Redis cluster of processes on free ports. Owns how it is formed and how a slot is moved; a test kills and freezes what
//! it wants.

use crate::redis_process::{RedisProcess, free_port, wait};

const SLOTS: usize = 16_384;

/// A node that does not answer for so long has failed.
const NODE_TIMEOUT: &str = "2000";

/// The processes of a cluster: the first primary of each shard, then a replica of each if there are replicas.
#[derive(Debug)]
pub struct RedisCluster {
    /// All nodes.
    pub nodes: Vec<RedisProcess>,
    /// Where clients find them.
    ports: Vec<u16>,
    shards: usize,
}

impl RedisCluster {
    /// Starts so many shards, each with one replica or none, and waits until they are one cluster.
    pub fn start(shards: usize, with_replicas: bool) -> Self {
        Self::start_with(shards, with_replicas, &[])
    }

    /// The same with more options for each node. With `--tls-cluster yes` among them clients and nodes find each other by
    /// TLS alone, on ports of their own.
    pub fn start_with(shards: usize, with_replicas: bool, more: &[&str]) -> Self {
        let count = if with_replicas { 2 * shards } else { shards };
        let nodes: Vec<_> = (0..count).map(|_| start_node(more)).collect();
        for (number, (node, _, _)) in nodes.iter().enumerate() {
            node.cli(&["cluster", "set-config-epoch", &(number + 1).to_string()]);
            for (_, bus, port) in &nodes[..number] {
                let answer = node.cli(&["cluster", "meet", "127.0.0.1", &port.to_string(), &bus.to_string()]);
                assert_eq!(answer, "OK");
            }
        }
        let ports = nodes.iter().map(|(_, _, port)| *port).collect();
        let cluster = Self { nodes: nodes.into_iter().map(|(node, _, _)| node).collect(), ports, shards };
        for (shard, node) in cluster.nodes[..shards].iter().enumerate() {
            let (first, end) = (cluster.first_slot(shard), cluster.first_slot(shard + 1));
            let answer = node.cli(&["cluster", "addslotsrange", &first.to_string(), &(end - 1).to_string()]);
            assert_eq!(answer, "OK");
        }
        cluster.agrees(count);
        for shard in 0..count - shards {
            let (replica, primary) = (&cluster.nodes[shards + shard], cluster.id(shard));
            wait("a replica follows", || replica.cli(&["cluster", "replicate", &primary]) == "OK");
            wait("a replica has everything", || {
                replica.cli(&["info", "replication"]).contains("master_link_status:up")
            });
        }
        cluster
    }

    /// `redis-cluster://HOST:PORT,…` with all nodes.
    pub fn url(&self) -> String {
        let hosts: Vec<_> = self.ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        format!("redis-cluster://{}", hosts.join(","))
    }

    /// Waits until all nodes serve all slots and know each other.
    fn agrees(&self, count: usize) {
        wait("the cluster agrees", || {
            self.nodes.iter().all(|node| {
                let info = node.cli(&["cluster", "info"]);
                info.contains("cluster_state:ok") && info.contains(&format!("cluster_known_nodes:{count}"))
            })
        });
    }

    fn id(&self, node: usize) -> String {
        self.nodes[node].cli(&["cluster", "myid"])
    }

    /// The number of the shard that had the slot of a key at the start.
    pub fn shard_of(&self, key: &str) -> usize {
        let slot = self.nodes[0].cli(&["cluster", "keyslot", key]).parse::<usize>().unwrap();
        (0..self.shards).find(|shard| slot < self.first_slot(shard + 1)).unwrap()
    }

    fn first_slot(&self, shard: usize) -> usize {
        shard * SLOTS / self.shards
    }

    /// Waits until the replica of a shard has taken over.
    pub fn fail_over(&self, shard: usize) {
        let replica = &self.nodes[self.shards + shard];
        wait("the replica takes over", || replica.cli(&["role"]).starts_with("master"));
        wait("the slots are served again", || replica.cli(&["cluster", "info"]).contains("cluster_state:ok"));
    }

    /// Moves the slot of a key, with all that is in it, to another shard.
    pub fn move_slot(&self, key: &str, from: usize, to: usize) {
        let slot = self.nodes[from].cli(&["cluster", "keyslot", key]);
        let (source, target) = (&self.nodes[from], &self.nodes[to]);
        let set = |node: &RedisProcess, args: &[&str]| {
            assert_eq!(node.cli(&[&["cluster", "setslot", &slot], args].concat()), "OK");
        };
        set(target, &["importing", &self.id(from)]);
        set(source, &["migrating", &self.id(to)]);
        loop {
            let keys = source.cli(&["cluster", "getkeysinslot", &slot, "100"]);
            if keys.is_empty() {
                break;
            }
            let port = target.port.to_string();
            let mut args = vec!["migrate", "127.0.0.1", &port, "", "0", "5000", "keys"];
            args.extend(keys.lines());
            source.cli(&args);
        }
        for node in [target, source] {
            set(node, &["node", &self.id(to)]);
        }
    }
}

/// A node, the port of its bus, and the one for clients.
fn start_node(more: &[&str]) -> (RedisProcess, u16, u16) {
    let (mut bus, mut tls) = (0, None);
    let node = RedisProcess::start_anew(|| {
        bus = free_port();
        let port = bus.to_string();
        let args =
            ["--cluster-enabled", "yes", "--cluster-port", &port, "--cluster-node-timeout", NODE_TIMEOUT];
        let args = [&args[..], &["--repl-diskless-sync-delay", "0"], more].concat();
        let mut args: Vec<_> = args.into_iter().map(str::to_owned).collect();
        tls = more.contains(&"--tls-cluster").then(free_port);
        args.extend(tls.iter().flat_map(|port| [String::from("--tls-port"), port.to_string()]));
        args
    });
    let port = tls.unwrap_or(node.port);
    (node, bus, port)
}
