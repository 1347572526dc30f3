import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { JobQueue } from "../../../app/src/jobs/queue";
import { eventually } from "../../support/services/container";
import { openQueue } from "./job-worker";

const PROGRAM = path.join(__dirname, "job-worker.ts");

/** One start or end of a job, as its processor wrote it down. */
interface Trace {
  readonly pid: number;
  readonly attempt: number;
  readonly what: string;
}

/** Job workers as processes on one queue, and the queue as the test sees it. */
export class JobRig {
  private readonly workers = new Set<ChildProcess>();
  private count = 0;

  private constructor(
    private readonly where: string,
    readonly queue: JobQueue,
    private readonly closeQueue: () => Promise<void>,
    private readonly directory: string,
  ) {}

  static async open(where: string): Promise<JobRig> {
    const opened = await openQueue(where);
    return new JobRig(where, opened.queue, () => opened.close(), mkdtempSync(path.join(tmpdir(), "phased-job-faults-")));
  }

  /** Starts a worker process; resolves once it takes jobs. */
  async worker(): Promise<number> {
    const child = spawn(process.execPath, ["--import", "tsx", PROGRAM, this.where], { stdio: ["ignore", "pipe", "pipe"] });
    this.workers.add(child);
    let errors = "";
    child.stderr.on("data", (part: Buffer) => (errors += part.toString()));
    const [first] = (await Promise.race([once(child.stdout, "data"), once(child, "exit")])) as [unknown];
    assert.equal(String(first), "ready\n", errors);
    return child.pid ?? 0;
  }

  add(does: "end" | "hang" | "hang-once", attempts: number): Promise<string> {
    const log = path.join(this.directory, String(++this.count));
    return this.queue.add("tax-computation", { log, does }, { attempts });
  }

  async traces(id: string): Promise<Trace[]> {
    const log = String((await this.queue.get(id))?.payload["log"]);
    if (!existsSync(log)) return [];
    const lines = readFileSync(log, "utf8").split("\n").slice(0, -1);
    return lines.map((line) => {
      const [pid, attempt, what = ""] = line.split(" ");
      return { pid: Number(pid), attempt: Number(attempt), what };
    });
  }

  /** The process that runs this attempt of the job. */
  async runner(id: string, attempt: number): Promise<number> {
    let pid = 0;
    await eventually(`attempt ${attempt} of the job runs`, async () => {
      pid = (await this.traces(id)).find((trace) => trace.attempt === attempt)?.pid ?? 0;
      return pid !== 0;
    });
    return pid;
  }

  async kill(pid: number): Promise<void> {
    const child = [...this.workers].find((worker) => worker.pid === pid);
    assert.ok(child, `process ${pid} is a worker of this test`);
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
    this.workers.delete(child);
  }

  async close(): Promise<void> {
    for (const worker of this.workers) if (worker.pid !== undefined) await this.kill(worker.pid);
    await this.closeQueue();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** What has to hold whatever keeps the queue: a job whose worker is killed runs once more, and is a dead letter at its last attempt. */
export function describeKilledWorkers(where: () => string): void {
  let rig: JobRig;
  beforeEach(async () => (rig = await JobRig.open(where())));
  afterEach(() => rig.close());

  const reaches = (id: string, state: string): Promise<void> =>
    eventually(`the job is ${state}`, async () => (await rig.queue.get(id))?.state === state);

  it("D5 D14 a worker is killed in the middle of a job: exactly one more run, by another worker", async () => {
    await rig.worker();
    await rig.worker();
    const id = await rig.add("hang-once", 3);
    const victim = await rig.runner(id, 1);
    await rig.kill(victim);
    await reaches(id, "completed");
    const traces = await rig.traces(id);
    assert.deepEqual(
      traces.map(({ attempt, what }) => `${attempt} ${what}`),
      ["1 start", "2 start", "2 end"],
    );
    assert.notEqual(traces[1]?.pid, victim);
    assert.equal((await rig.queue.get(id))?.attemptsStarted, 2);
  });

  it("D5 a job that takes its worker down every time is a dead letter after its attempts, and stops nobody else", async () => {
    const id = await rig.add("hang", 2);
    for (let attempt = 1; attempt <= 2; attempt++) {
      await rig.worker();
      await rig.kill(await rig.runner(id, attempt));
    }
    await rig.worker();
    await reaches(id, "failed");
    assert.deepEqual(
      (await rig.traces(id)).map(({ attempt, what }) => `${attempt} ${what}`),
      ["1 start", "2 start"],
    );
    assert.match((await rig.queue.get(id))?.error ?? "", /worker was lost/);
    assert.deepEqual(
      (await rig.queue.deadLetters("tax-computation", 10)).map((job) => job.id),
      [id],
    );
    await reaches(await rig.add("end", 1), "completed");
  });
}
