import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setImmediate } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const AGENT = fileURLToPath(new URL('./agent.ts', import.meta.url));

/** Why this machine cannot run tests with namespaces, or undefined when it can. */
export function whyNoNetwork(): string | undefined {
  if (process.getuid?.() !== 0) return 'network namespaces need root';
  if (!existsSync('/dev/net/tun')) return 'there is no /dev/net/tun';
  try {
    execFileSync('ip', ['netns', 'list'], { stdio: 'ignore' });
  } catch {
    return 'there is no `ip netns`';
  }
  return undefined;
}

export function ip(...args: string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'inherit'], env: withoutPreload() });
}

export function withoutPreload(): NodeJS.ProcessEnv {
  const environment = { ...process.env };
  delete environment['LD_PRELOAD'];
  return environment;
}

/** One agent in a namespace (support/agent.ts). */
export class Agent {
  readonly hit: string;
  readonly ipv4: string;
  readonly outer: string;
  get outer6(): string {
    return this.outer.replace('10.99.0.', 'fd99::');
  }
  readonly namespace: string;
  private readonly child: ChildProcess;
  private readonly answers = new Map<number, (line: unknown[]) => void>();
  private nextId = 1;
  private ready!: () => void;
  private died!: (error: Error) => void;
  readonly started = new Promise<void>((resolve, reject) => {
    this.ready = resolve;
    this.died = reject;
  });

  /** @param forbidden an interface that nothing is to be sent from. */
  constructor(namespace: string, outer: string, hit: string, ipv4: string, copyDscp: boolean, forbidden = '') {
    this.namespace = namespace;
    this.outer = outer;
    this.hit = hit;
    this.ipv4 = ipv4;
    const args = [AGENT, hit, ipv4, String(copyDscp), '1400', forbidden];
    this.child = spawn('ip', ['netns', 'exec', namespace, process.execPath, ...args], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.child.on('exit', (code, signal) => {
      const reason = `the agent in ${namespace} ended with ${String(code ?? signal)}`;
      this.died(new Error(reason));
      for (const answer of [...this.answers.values()]) answer([0, null, reason]);
    });
    if (this.child.stdout === null) throw new Error('no stdout');
    createInterface({ input: this.child.stdout }).on('line', (line) => {
      const parsed = JSON.parse(line) as unknown[];
      if (parsed[0] === 'ready') this.ready();
      else this.answers.get(parsed[0] as number)?.(parsed);
    });
  }

  call<T = unknown>(name: string, ...args: unknown[]): Promise<T> {
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      this.answers.set(id, ([, value, error]) => {
        this.answers.delete(id);
        if (error === undefined) resolve(value as T);
        else reject(new Error(`${name}: ${JSON.stringify(error)}`));
      });
      this.child.stdin?.write(`${JSON.stringify([id, name, ...args])}\n`);
    });
  }

  async counter(name: string): Promise<number> {
    return (await this.call<Record<string, number>>('counters'))[name] ?? 0;
  }

  /** True when one echo request was answered. For the last of several, ping(8) waits only twice as long as the others took. */
  ping(address: string, ...options: string[]): boolean {
    try {
      const args = ['netns', 'exec', this.namespace, 'ping', '-q', '-c', '1', '-W', '10', ...options, address];
      return execFileSync('ip', args, { env: withoutPreload() }).toString().includes(' 0% packet loss');
    } catch {
      return false;
    }
  }

  /** Runs a program of the system here; npm has an `nft` of its own. */
  run(file: string, ...args: string[]): string {
    const path = (process.env['PATH'] ?? '').split(':').filter((folder) => !folder.includes('node_modules'));
    const env = { ...withoutPreload(), PATH: [...path, '/usr/sbin', '/sbin'].join(':') };
    return execFileSync('ip', ['netns', 'exec', this.namespace, file, ...args], { env }).toString();
  }

  /** Its threads stop where they are; the kernel goes on to fill its queues. */
  async freeze(): Promise<void> {
    this.child.kill('SIGSTOP');
    const tasks = `/proc/${this.child.pid}/task`;
    const stopped = (task: string): boolean => readFileSync(`${tasks}/${task}/stat`, 'latin1').includes(') T ');
    while (!readdirSync(tasks).every(stopped)) await setImmediate();
  }

  thaw(): void {
    this.child.kill('SIGCONT');
  }

  /** A program beside the agent, ready to send datagrams of these sizes; what it returns resolves when the kernel has them all. */
  async readyBeside(address: string, port: number, sizes: readonly number[]): Promise<() => Promise<void>> {
    const program = `
      const socket = require('node:dgram').createSocket(process.argv[1].includes(':') ? 'udp6' : 'udp4');
      const send = ([size, ...rest]) => size === undefined ? socket.close()
        : socket.send(Buffer.alloc(size), Number(process.argv[2]), process.argv[1], () => send(rest));
      process.stdin.once('data', () => send(process.argv.slice(3).map(Number)));
      process.stdout.write('ready');`;
    const args = [process.execPath, '-e', program, address, String(port), ...sizes.map(String)];
    const child = spawn('ip', ['netns', 'exec', this.namespace, ...args], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: withoutPreload(),
    });
    const ended = once(child, 'exit');
    await once(child.stdout, 'data');
    return async () => {
      child.stdin.end('go');
      const [status] = (await ended) as [number | null];
      if (status !== 0) throw new Error(`the program that sends to ${address} ended with ${String(status)}`);
    };
  }

  /** A program beside the agent that sends `bytes` fifty times a second, as a phone does, until it is stopped. */
  speakBeside(address: string, port: number, bytes: number): { sent(): number; stop(): void } {
    const program = `
      const socket = require('node:dgram').createSocket(process.argv[1].includes(':') ? 'udp6' : 'udp4');
      setInterval(() => socket.send(Buffer.alloc(Number(process.argv[3])), Number(process.argv[2]), process.argv[1],
        () => process.stdout.write('.')), 20);`;
    const args = [process.execPath, '-e', program, address, String(port), String(bytes)];
    const child = spawn('ip', ['netns', 'exec', this.namespace, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
    let sent = 0;
    child.stdout.on('data', (dots: Buffer) => (sent += dots.length));
    return { sent: () => sent, stop: () => void child.kill() };
  }

  /** From now on this host marks UDP packets with `bytes` of payload as voice (EF, RFC 3246). */
  markVoice(bytes: number): void {
    const rules = `table inet voice {
      chain out {
        type filter hook output priority mangle
        udp length ${bytes + 8} ip dscp set ef
        udp length ${bytes + 8} ip6 dscp set ef
      }
    }`;
    execFileSync('ip', ['netns', 'exec', this.namespace, '/usr/sbin/nft', '-f', '-'], {
      input: rules,
      env: withoutPreload(),
    });
  }

  stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return Promise.resolve();
    return new Promise((resolve) => {
      this.child.on('exit', () => resolve());
      this.child.stdin?.end();
    });
  }
}

const WIRE_MTU = 1500;

export interface WireOptions {
  readonly copyDscp?: boolean;
}

export interface WireLinkOptions {
  /** Of the outer addresses. */
  readonly family?: 4 | 6;
  /** What both data planes are told. */
  readonly pathMtu?: number;
}

/**
 * Two hosts on one wire; their outer IPv6 addresses are fd99::1 and fd99::2:
 *
 *     a (10.99.0.1, 2001:20::a, 198.18.0.1) --- veth, MTU 1500 --- b (10.99.0.2, 2001:20::b, 198.18.0.2)
 */
export class Wire {
  readonly a: Agent;
  readonly b: Agent;

  private constructor(a: Agent, b: Agent) {
    this.a = a;
    this.b = b;
  }

  static async lay(label: string, { copyDscp = false }: WireOptions = {}): Promise<Wire> {
    const names = [`idloc-${process.pid}-${label}a`, `idloc-${process.pid}-${label}b`] as const;
    for (const name of names) ip('netns', 'add', name);
    ip('link', 'add', 'veth0', 'netns', names[0], 'type', 'veth', 'peer', 'name', 'veth0', 'netns', names[1]);
    names.forEach((name, i) => {
      ip('-n', name, 'address', 'add', `10.99.0.${i + 1}/24`, 'dev', 'veth0');
      ip('-n', name, 'address', 'add', `fd99::${i + 1}/64`, 'dev', 'veth0', 'nodad');
      ip('-n', name, 'link', 'set', 'veth0', 'up');
      ip('-n', name, 'link', 'set', 'lo', 'up');
    });
    const wire = new Wire(
      new Agent(names[0], '10.99.0.1', '2001:20::a', '198.18.0.1', copyDscp),
      new Agent(names[1], '10.99.0.2', '2001:20::b', '198.18.0.2', copyDscp),
    );
    try {
      await Promise.all([wire.a.started, wire.b.started]);
    } catch (err) {
      await wire.remove();
      throw err;
    }
    return wire;
  }

  /** A link between both, not yet authorized. */
  async link(options: WireLinkOptions = {}): Promise<{ a: number; b: number }> {
    const { family = 4, pathMtu = WIRE_MTU } = options;
    const outer = (agent: Agent): string => (family === 4 ? agent.outer : agent.outer6);
    const [b, a] = await Promise.all([
      this.b.call<number>('connect', 'server', outer(this.a)),
      this.a.call<number>('connect', 'client', outer(this.b)),
    ]);
    await this.a.call('setPathMtu', a, pathMtu);
    await this.b.call('setPathMtu', b, pathMtu);
    return { a, b };
  }

  /** What the wire takes from now on, in both directions. */
  setMtu(bytes: number): void {
    for (const { namespace } of [this.a, this.b]) ip('-n', namespace, 'link', 'set', 'veth0', 'mtu', String(bytes));
  }

  async linkAndAuthorize(options: WireLinkOptions = {}): Promise<{ a: number; b: number }> {
    const links = await this.link(options);
    await this.b.call('authorize', links.b, this.a.hit, this.a.ipv4);
    await this.a.call('authorize', links.a, this.b.hit, this.b.ipv4);
    return links;
  }

  async remove(): Promise<void> {
    await Promise.all([this.a.stop(), this.b.stop()]);
    ip('netns', 'delete', this.a.namespace);
    ip('netns', 'delete', this.b.namespace);
  }
}
