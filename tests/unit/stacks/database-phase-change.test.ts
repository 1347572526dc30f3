import assert from "node:assert/strict";
import { mock } from "node:test";
import * as pulumi from "@pulumi/pulumi";
import { databaseProgram, envsOf } from "./database-support";
import { SHARED_URNS, urns } from "./database-urns";

describe("phase database: its rows, and those of phase cluster", function () {
  this.timeout(60_000);
  const program = databaseProgram();

  it("F1 rows of phase cluster are moved before the app starts on Postgres; not with moveData false, and not for an image of one's own", async () => {
    const { recorder } = await program.run();
    const { inputs } = recorder.get("data-move-copy");
    const [command] = inputs["command"] as string[];
    assert.match(
      command ?? "",
      / node transfer\.js --move to-postgres --from sqlite:\/data\/app\.db --to file:\/run\/secrets\/database_direct_url /,
    );
    assert.deepEqual([inputs["restart"], inputs["wait"], inputs["readOnly"]], ["no", true, true]);
    const names = recorder.resources.map(({ name }) => name);
    assert.ok(names.indexOf("data-move-copy") > names.indexOf("postgres-proxy-container"));
    for (const app of ["app-0", "jobs-0"]) assert.ok(names.indexOf("data-move-copy") < names.indexOf(app), app);
    for (const config of [{ moveData: "false" }, { image: "registry.example.com/team/app:1" }]) {
      const others = (await program.run(config)).recorder.resources.map(({ name }) => name);
      assert.ok(!others.includes("data-move-copy") && others.includes("app-0"), JSON.stringify(config));
    }
  });

  it("A1 where a move back began, Postgres is written again before the app starts, also with moveData false; done once it is done", async () => {
    const told = ({ recorder }: Awaited<ReturnType<typeof program.run>>): string =>
      /--move \S+/.exec((recorder.get("data-move-copy").inputs["command"] as string[])[0] ?? "")?.[0] ?? "";
    const attempt = (Status: string, Created: number) => [{ Labels: { "phased-stack.attempt": "1" }, Status, Created }];
    try {
      program.rig.containers = { "data-move-back": attempt("Up 1 hour (healthy)", 100) };
      assert.equal(told(await program.run()), "--move to-postgres");
      const opening = await program.run({ moveData: "false" });
      assert.equal(told(opening), "--move open-postgres");
      const names = opening.recorder.resources.map(({ name }) => name);
      for (const app of ["app-0", "jobs-0"]) assert.ok(names.indexOf("data-move-copy") < names.indexOf(app), app);
      assert.ok(!(await program.run({ image: "registry.example.com/team/app:1" })).recorder.names().includes("data-move-copy"));
      // The update that opened it deleted the other container at its end.
      program.rig.containers = { "data-move-open": attempt("Up 1 hour (healthy)", 200) };
      assert.ok(
        (await program.run({ moveData: "false" })).recorder.names().includes("data-move-copy"),
        "kept: another update changes nothing",
      );
      program.rig.containers = { "data-move-open": attempt("Exited (1) 1 hour ago", 200) };
      assert.ok(!(await program.run({ moveData: "false" })).recorder.names().includes("data-move-copy"));
    } finally {
      program.rig.containers = {};
    }
  });

  it("A1 leaving it for phase cluster with leaveDatabase, rows are copied back before the app starts on SQLite", async () => {
    const { recorder } = await program.rig.run({ leaveDatabase: "true" });
    const names = recorder.resources.map(({ name }) => name);
    assert.ok(names.indexOf("data-move-back-copy") >= 0 && names.indexOf("data-move-back-copy") < names.indexOf("app-0"));
    assert.ok(!(await program.rig.run({})).recorder.resources.some(({ name }) => name.startsWith("data-move")));
  });

  it("A1 leaveDatabase that is still set is warned of: it would hold for the next time, too", async () => {
    const warn = mock.method(pulumi.log, "warn", () => Promise.resolve());
    const warned = (): boolean => warn.mock.calls.some(({ arguments: [line = ""] }) => line.includes("pulumi config rm leaveDatabase"));
    try {
      await program.run();
      assert.equal(warned(), false);
      await program.run({ leaveDatabase: "true" });
      assert.equal(warned(), true);
    } finally {
      warn.mock.restore();
    }
  });

  it("A1 its volumes without its containers, as down --keep-data leaves them, are no reason to delete them unasked", async () => {
    program.rig.hasPostgresVolumes = true;
    try {
      for (const config of [{}, { "phased-stack:moveData": "false" }, { "phased-stack:image": "registry.example.com/team/app:1" }]) {
        const { message, recorder } = await program.rig.refusal({ "phased-stack:phase": "cluster", ...config });
        assert.match(message, /Redis and Kafka with the events.*pulumi config set leaveDatabase true.*pulumi config rm leaveDatabase/);
        assert.deepEqual(recorder.resources, []);
      }
      const { message } = await program.rig.refusal({ "phased-stack:phase": "cluster", "phased-stack:leaveDatabase": "true" });
      assert.match(message, /Postgres that does not run/);
      const { recorder } = await program.rig.run({ leaveDatabase: "true", moveData: "false" });
      assert.ok(recorder.resources.some(({ name }) => name === "app-0"));
    } finally {
      program.rig.hasPostgresVolumes = false;
    }
  });

  it("A1 phase cluster on a file that was sealed is refused before anything is made: no instance on it would ever be ready", async () => {
    const answer = (status: string): string =>
      `HTTP/1.0 503 Service Unavailable\r\n\r\n{"status":"${status}"}HTTP/1.0 200 OK\r\n\r\n{"status":"ok","database":{"kind":"sqlite"}}`;
    try {
      program.rig.appAnswers = answer("moved");
      for (const config of [
        { "phased-stack:moveData": "false" },
        { "phased-stack:moveData": "false", "phased-stack:leaveDatabase": "true" },
        { "phased-stack:leaveDatabase": "true" },
        {},
      ]) {
        const { message, recorder } = await program.rig.refusal({ "phased-stack:phase": "cluster", ...config });
        assert.match(message, /^the SQLite file of this stack is sealed.*docs\/runbooks\/sealed-file\.md says$/, JSON.stringify(config));
        assert.deepEqual(recorder.resources, []);
      }
      program.rig.appAnswers = answer("ready");
      assert.ok((await program.rig.run({ moveData: "false" })).recorder.resources.some(({ name }) => name === "app-0"));
    } finally {
      program.rig.appAnswers = undefined;
    }
  });

  it("has everything phase cluster has under the same URN: switching there and back deletes no document and no SQLite data", async () => {
    const cluster = (await program.rig.run({})).recorder;
    assert.deepEqual(cluster.resources.map(({ urn }) => urn).sort(), urns(SHARED_URNS));
    const { recorder } = await program.run();
    assert.deepEqual(recorder.get("database-data").inputs, cluster.get("database-data").inputs);
    for (const app of ["app-0", "jobs-0"]) {
      const mounts = recorder.get(app).inputs["volumes"] as { volumeName: string; containerPath: string }[];
      assert.ok(
        mounts.some(({ volumeName, containerPath }) => volumeName === "database-data-1a2b3c4" && containerPath === "/data"),
        app,
      );
      assert.equal(envsOf(recorder, app)["DOCUMENTS_PATH"], "/data/documents");
    }
  });
});
