import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { messageOf } from '../../src/base/errors.ts';
import { request } from '../../src/control/client.ts';
import { methods } from '../../src/control/schemas.ts';
import type { Result, Status } from '../../src/control/schemas.ts';
import { ScriptError, command, eventually, lastLine, tryCommand } from './command.ts';
import type { BackgroundProcess, CommandResult } from './command.ts';
import type { Lab, Namespace } from './lab.ts';
import { keepReport, patience, sanitizedAgents, sanitizedBy } from './sanitizers.ts';
import type { SanitizedBuild } from './sanitizers.ts';

export const IDLOC = join(import.meta.dirname, '../../bin/idloc');
/** What that script runs: ThreadSanitizer crashes a shell when it starts a program (vfork). */
const MAIN = join(import.meta.dirname, '../../src/cli/main.ts');
export const TUN_NAME = 'idloc0';

/** From the start of the process to a joined overlay; generous, since a busy machine compiles the sources first. */
const READY_TIMEOUT_MS = 30_000;
const STOP_GRACE_MS = 5000;
/** `idloc join` waits for an inviter as long as the agent does. */
const TYPED_TIMEOUT_MS = 150_000;

export interface AgentOptions {
  readonly namespace: Namespace;
  /** Of the state folder and the socket, and the overlay name that it claims. */
  readonly name: string;
  readonly overlay: { readonly create: string } | { readonly join: string } | 'as before';
  /** False: an overlay peer only, without a TUN. */
  readonly tun?: boolean;
  /** Of the configuration file; absent: every setting as it comes. */
  readonly configuration?: string;
  /** Further arguments of `idloc up`. */
  readonly arguments?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** Instead of what `IDLOC_SANITIZED_AGENTS` says; what it finds is in the lab's folder. */
  readonly build?: SanitizedBuild;
}

/** A real agent (`idloc up`) in a namespace, with a state folder and a control socket of its own in the lab's folder. */
export class Agent {
  readonly name: string;
  readonly state: string;
  readonly socket: string;
  readonly process: BackgroundProcess;
  private readonly options: AgentOptions;
  private readonly lab: Lab;
  private readonly build: SanitizedBuild | undefined;

  private constructor(lab: Lab, options: AgentOptions) {
    this.lab = lab;
    this.options = options;
    this.name = options.name;
    this.state = lab.folder(options.name);
    this.socket = join(lab.directory, `${options.name}.sock`);
    const configuration = join(
      lab.directory,
      options.configuration === undefined ? 'config.toml' : `${this.name}.toml`,
    );
    writeFileSync(configuration, options.configuration ?? '# every setting as it comes\n', { mode: 0o600 });
    const { overlay } = options;
    const membership =
      overlay === 'as before' ? [] : 'create' in overlay ? ['--create', overlay.create] : ['--join', overlay.join];
    this.build = options.build ?? sanitizedAgents();
    const [program, ...wrapped] =
      this.build === undefined ? [IDLOC] : [...sanitizedBy(this.build, lab.directory), process.execPath, MAIN];
    this.process = options.namespace.start(
      program,
      [
        ...wrapped,
        ...['up', '--config', configuration, '--state', this.state, '--socket', this.socket],
        ...(options.tun === false ? ['--no-tun'] : ['--tun', TUN_NAME]),
        ...['--name', options.name],
        ...membership,
        ...(options.arguments ?? []),
      ],
      options.environment,
    );
    if (this.build === 'asan') this.process.onOutput(() => keepReport(lab.directory, this.name, this.process.stderr));
  }

  /** Starts it without waiting. */
  static launch(lab: Lab, options: AgentOptions): Agent {
    return new Agent(lab, options);
  }

  /** Starts it and waits until it is a member of its overlay. */
  static async start(lab: Lab, options: AgentOptions): Promise<Agent> {
    const agent = Agent.launch(lab, options);
    await agent.ready();
    return agent;
  }

  /** Joined, or alone in an overlay that it made; with its addresses claimed. */
  async ready(timeoutMs = READY_TIMEOUT_MS): Promise<Status> {
    let seen = 'it does not answer';
    const limit = patience(this.build, timeoutMs);
    const joins = eventually(`${this.name}: the agent joins its overlay`, limit, async () => {
      if (!this.process.alive)
        throw new ScriptError(
          `${this.name}: the agent ended (${String(await this.process.exited)}): ${this.lastWords()}`,
        );
      // Not by the command line: a process for each question would take from the agent what it needs to start.
      const answer = await request(this.socket, 'status', {}, { signal: AbortSignal.timeout(limit) }).catch(
        () => undefined,
      );
      if (answer === undefined) return undefined;
      const status = methods.status.result.parse(answer);
      seen = `state ${status.state}, IPv4 ${String(status.ipv4)}`;
      const isMember = status.state === 'joined' || status.state === 'alone';
      return isMember && (status.ipv4 !== null || status.tun === null) ? status : undefined;
    });
    try {
      return await joins;
    } catch (error) {
      throw new ScriptError(`${messageOf(error)} (${seen}; its last words: ${this.lastWords()})`, { cause: error });
    }
  }

  async status(): Promise<Status> {
    return methods.status.result.parse(JSON.parse(await this.cli('status', '--json')));
  }

  /** The link to another agent, by its HIT. */
  async link(hit: string): Promise<Status['links'][number] | undefined> {
    return (await this.status()).links.find((link) => link.hit === hit);
  }

  async resolve(target: string): Promise<Result<'resolve'>> {
    return methods.resolve.result.parse(JSON.parse(await this.cli('resolve', target, '--json')));
  }

  async ping(target: string, count = 1): Promise<Result<'ping'>> {
    return methods.ping.result.parse(JSON.parse(await this.cli('ping', target, '--count', String(count), '--json')));
  }

  async invite(): Promise<string> {
    return (await this.cli('invite')).trim();
  }

  /** A command of the command line that talks to this agent. */
  async cli(name: string, ...args: string[]): Promise<string> {
    return command(IDLOC, [name, ...args, '--socket', this.socket]);
  }

  async tryCli(name: string, ...args: string[]): Promise<CommandResult> {
    return tryCommand(IDLOC, [name, ...args, '--socket', this.socket], {
      timeoutMs: patience(this.build, READY_TIMEOUT_MS),
    });
  }

  /** A line of shell as whoever administers the host types it: `idloc` is on the PATH and speaks to this agent. */
  async shell(line: string, folder: string): Promise<CommandResult> {
    return this.options.namespace.tryRun('bash', ['-c', `cd "$1" && ${line}`, 'bash', folder], {
      environment: { IDLOC_SOCKET: this.socket, PATH: `${dirname(IDLOC)}:${process.env.PATH ?? ''}` },
      timeoutMs: patience(this.build, TYPED_TIMEOUT_MS),
    });
  }

  /** As a power cut: it says goodbye to nobody. */
  async crash(): Promise<void> {
    this.process.kill();
    await this.process.exited;
  }

  async stop(): Promise<number | null> {
    return this.process.stop('SIGTERM', patience(this.build, STOP_GRACE_MS));
  }

  /** Another process with the same identity, after the end of this one. */
  async startAgain(): Promise<Agent> {
    const agent = this.launchAgain();
    await agent.ready();
    return agent;
  }

  /** As `startAgain`, without waiting. */
  launchAgain(): Agent {
    return Agent.launch(this.lab, { ...this.options, overlay: 'as before' });
  }

  lastWords(): string {
    return lastLine(this.process.stderr) || lastLine(this.process.stdout) || 'it said nothing';
  }
}
