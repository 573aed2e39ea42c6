// Proxies of the distribution in front of a server, with the configuration that the manual gives
// (server-mock/deploy/behind-a-proxy.md). Each belongs to one test, and so does its folder.

import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import tls from "node:tls";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { DEADLINE_MS } from "./journal.mjs";
import { freePort } from "./ports.mjs";
import { Process } from "./processes.mjs";

const PAGE = readFileSync(fileURLToPath(new URL("../../server-mock/deploy/behind-a-proxy.md", import.meta.url)), "utf8");

/** The block of the page that begins with these words. */
export function block(words) {
  const found = PAGE.split(`\n\`\`\`${words}\n`);
  if (found.length !== 2) throw new Error(`the page "Behind a proxy" has not one block "${words}"`);
  return found[1].split("\n```")[0];
}

/** `text` with each word replaced that has to be there. */
function adapted(text, words) {
  return Object.entries(words).reduce((text, [from, to]) => {
    if (!text.includes(from)) throw new Error(`"${from}" is not in the configuration:\n${text}`);
    return text.replaceAll(from, to);
  }, text);
}

// A proxy has no rights that it does not need: where the tests run as root, it runs as nobody.
const NOBODY = 65_534;
const root = process.getuid() === 0;
const unprivileged = (command, args) =>
  root
    ? ["setpriv", [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups", "--", command, ...args]]
    : [command, args];

/** A folder that the proxy may write to, with a certificate of localhost and 127.0.0.1 and its key. */
function folder() {
  const path = mkdtempSync(join(tmpdir(), "rejoin-proxy-"));
  const [chain, key] = ["chain.pem", "key.pem"].map((name) => join(path, name));
  const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
  const kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
  const leaf = ["-addext", "basicConstraints=critical,CA:FALSE"];
  execFileSync("openssl", ["req", "-x509", ...kind, ...subject, ...leaf, "-keyout", key, "-out", chain], { stdio: "pipe" });
  writeFileSync(join(path, "both.pem"), readFileSync(chain, "utf8") + readFileSync(key, "utf8"));
  for (const name of ["", "chain.pem", "key.pem", "both.pem"]) {
    chmodSync(join(path, name), name ? 0o600 : 0o700);
    if (root) chownSync(join(path, name), NOBODY, NOBODY);
  }
  return path;
}

/** A proxy that listens. The fields `port`, `url` and `mode` are as those of the server behind it. */
class Proxy extends Process {
  mode = "extended";
  path;
  port;
  /** In front of every path: "" or "/chat". */
  prefix = "";
  /** The certificate's file, for those who have to believe it. */
  ca;
  scheme = "https:";

  static async start(t, command, args, files, { path, port, prefix = "", scheme = "https:" }) {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text, { mode: 0o644 });
    const proxy = new this(t, ...unprivileged(command, args), { group: true });
    t.after(() => rmSync(path, { recursive: true, force: true, maxRetries: 10 }));
    Object.assign(proxy, { path, port, prefix, scheme, ca: join(path, "chain.pem") });
    await proxy.listens();
    return proxy;
  }

  /** Until it takes a connection, with TLS if it speaks that: Caddy resets connections that come before its certificates. */
  async listens() {
    const expires = Date.now() + DEADLINE_MS;
    const [event, connect] =
      this.scheme === "https:"
        ? ["secureConnect", () => tls.connect({ port: this.port, host: "127.0.0.1", rejectUnauthorized: false })]
        : ["connect", () => net.connect(this.port, "127.0.0.1")];
    for (;;) {
      const socket = connect();
      const taken = await new Promise((resolve) => {
        socket.on(event, () => resolve(true)).on("error", () => resolve(false)).on("close", () => resolve(false));
      });
      socket.destroy();
      if (taken) return;
      if (this.over || Date.now() > expires) throw new Error(`it does not listen: ${this.stderr}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** All that its access log has when something in it `matches`: it is written when a connection is over. */
  async logged(matches) {
    const expires = Date.now() + DEADLINE_MS;
    for (;;) {
      const log = this.log();
      if (matches.test(log)) return log;
      if (this.over || Date.now() > expires) throw new Error(`${matches} is not in the log:\n${log}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Where pages of this host come from. */
  get origin() {
    return `${this.scheme}//127.0.0.1:${this.port}`;
  }

  get http() {
    return `${this.origin}${this.prefix}`;
  }

  get url() {
    return `${this.http.replace(/^http/, "ws")}/ws`;
  }
}

/** The other part of a configuration that has two backends. */
const second = (backend) => ({ "127.0.0.1:8081": `127.0.0.1:${backend}` });

// Each takes these options. `path`: under the prefix /chat. `log`: with an access log. `other`: the port of a second
// backend, with stickiness.

export class Nginx extends Proxy {
  /** `main` is further directives. */
  static async start(t, backend, { path = false, main, log = false, other } = {}) {
    const under = path ? { "    location / {\n        proxy_pass http://rejoin;": block("nginx path") } : {};
    const sticky = other ? { "upstream rejoin {\n    server 127.0.0.1:8080;\n}": block("nginx sticky") } : {};
    const site = (where, port) =>
      adapted(`${log ? block("nginx log") : "access_log off;"}\n${block("nginx")}`, {
        ...(log ? { "/var/log/nginx": where } : {}),
        "listen 443": `listen 127.0.0.1:${port}`,
        "chat.example;": "localhost;",
        "/etc/ssl/chat.example": where,
        ...sticky,
        "127.0.0.1:8080": `127.0.0.1:${backend}`,
        ...(other ? second(other) : {}),
        ...under,
      });
    return this.serving(t, site, { main, prefix: path ? "/chat" : "" });
  }

  /** With these lines in the only location, and HTTP without TLS. The upstream is called `rejoin`. */
  static plain(t, backend, lines) {
    const site = (_, port) =>
      `access_log off;
upstream rejoin { server 127.0.0.1:${backend}; }
server { listen 127.0.0.1:${port}; location / { proxy_pass http://rejoin; ${lines} } }`;
    return this.serving(t, site, { scheme: "http:" });
  }

  static async serving(t, site, { main = "", ...about }) {
    const [path, port] = [folder(), await freePort()];
    const kept = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    const own = kept.map((name) => `${name}_temp_path ${path}/${name};`).join("\n");
    const config = `daemon off;\npid ${path}/pid;\nerror_log stderr notice;\nworker_processes 1;\n${main}\n
events {}\nhttp {\n${own}\n${site(path, port)}\n}\n`;
    const args = ["-p", path, "-c", join(path, "nginx.conf"), "-e", "stderr"];
    return super.start(t, "/usr/sbin/nginx", args, { "nginx.conf": config }, { path, port, ...about });
  }

  log() {
    return readFileSync(join(this.path, "access.log"), "utf8");
  }

  /** Reads its configuration again; open connections stay with the old workers. */
  reload() {
    this.kill("SIGHUP");
  }
}

export class Haproxy extends Proxy {
  /** `frontend` is further lines; `reloads`: it can be told to read its configuration again. */
  static async start(t, backend, { path = false, frontend = "", log = false, other, reloads = false } = {}) {
    const [where, port] = [folder(), await freePort()];
    // What it writes comes to its standard output.
    const logging = log ? `    log stdout format raw local0\n${block("haproxy log")}` : "";
    const more = [path ? block("haproxy path") : "", logging, frontend].join("\n");
    const sticky = other ? { "backend rejoin\n    server one 127.0.0.1:8080": block("haproxy sticky") } : {};
    const site = adapted(block("haproxy"), {
      "bind :443": `bind 127.0.0.1:${port}`,
      "/etc/haproxy/chat.example.pem": join(where, "both.pem"),
      ...sticky,
      "127.0.0.1:8080": `127.0.0.1:${backend}`,
      ...(other ? second(other) : {}),
      "    default_backend": `${more}\n    default_backend`,
    });
    const config = reloads ? `${adapted(block("haproxy reload"), { "10s": "1s" })}\n${site}` : site;
    const about = { path: where, port, prefix: path ? "/chat" : "" };
    const args = [...(reloads ? ["-W"] : []), "-db", "-f", join(where, "haproxy.cfg")];
    return super.start(t, "/usr/sbin/haproxy", args, { "haproxy.cfg": `${config}\n` }, about);
  }

  log() {
    return this.lines.entries.join("\n");
  }

  /** Reads its configuration again; open connections stay with the old process. */
  reload() {
    this.kill("SIGUSR2");
  }
}

export class Caddy extends Proxy {
  static async start(t, backend, { path = false, log = false, other } = {}) {
    const [where, port] = [folder(), await freePort()];
    const way = path ? block("caddy path") : other ? block("caddy sticky") : undefined;
    const site = adapted(block("caddy"), {
      "chat.example {": `https://127.0.0.1:${port} {\n    tls ${where}/chain.pem ${where}/key.pem\n${log ? block("caddy log") : ""}`,
      ...(way ? { "    reverse_proxy 127.0.0.1:8080": way } : {}),
      "127.0.0.1:8080": `127.0.0.1:${backend}`,
      ...(other ? second(other) : {}),
    });
    const config = `{\n    admin off\n    auto_https off\n    storage file_system ${where}/data\n}\n${site}\n`;
    const args = ["run", "--adapter", "caddyfile", "--config", join(where, "Caddyfile")];
    return super.start(t, "/usr/bin/caddy", args, { Caddyfile: config }, { path: where, port, prefix: path ? "/chat" : "" });
  }

  log() {
    return this.stderr;
  }
}

export class Apache extends Proxy {
  static async start(t, backend, { path = false, log = false, other } = {}) {
    const [where, port] = [folder(), await freePort()];
    const way = path ? block("apache path") : other ? block("apache sticky") : undefined;
    const site = adapted(block("apache"), {
      "*:443": `127.0.0.1:${port}`,
      "ServerName chat.example": "ServerName localhost",
      "/etc/ssl/chat.example": where,
      ...(way ? { "    ProxyPass / http://127.0.0.1:8080/ upgrade=websocket": way } : {}),
      "127.0.0.1:8080": `127.0.0.1:${backend}`,
      ...(other ? second(other) : {}),
      ...(log ? { "</VirtualHost>": adapted(`${block("apache log")}\n</VirtualHost>`, { "/var/log/apache2": where }) } : {}),
    });
    const modules = ["mpm_event", "authz_core", "socache_shmcb", "ssl", "proxy", "proxy_http"];
    if (other) modules.push("slotmem_shm", "proxy_balancer", "lbmethod_byrequests", "headers");
    const loads = modules.map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`).join("\n");
    const config = `ServerRoot ${where}\nServerName localhost\nPidFile ${where}/pid\nErrorLog "|$/bin/cat >&2"\n${loads}
Mutex default:${where}\nDefaultRuntimeDir ${where}\nListen 127.0.0.1:${port}\n${site}\n`;
    const args = ["-D", "FOREGROUND", "-f", join(where, "apache.conf")];
    return super.start(t, "/usr/sbin/apache2", args, { "apache.conf": config }, { path: where, port, prefix: path ? "/chat" : "" });
  }

  log() {
    return readFileSync(join(this.path, "access.log"), "utf8");
  }
}
