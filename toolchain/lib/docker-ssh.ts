import { spawn } from "node:child_process";
import { Agent } from "node:http";
import { Duplex } from "node:stream";

/** Arguments of `ssh` for a Docker address `ssh://user@host:port`. */
export function sshArguments(host: string): string[] {
  const { username, hostname, port } = new URL(host);
  return [
    // Never wait for a question nobody sees; a key agent or ~/.ssh/config has to know the way.
    ...["-o", "BatchMode=yes", "-o", "ConnectTimeout=10"],
    ...(username === "" ? [] : ["-l", username]),
    ...(port === "" ? [] : ["-p", port]),
    ...["-T", "--", hostname, "docker", "system", "dial-stdio"],
  ];
}

/**
 * Connections to a Docker Engine behind `ssh://`, made the way the Docker CLI makes them: the system's `ssh` with its own
 * configuration, keys and known hosts, and `docker system dial-stdio` on the far side. (The ssh client that comes with
 * docker-modem reads neither `~/.ssh/config` nor `known_hosts`.)
 */
export function sshAgent(host: string): Agent {
  const agent = new Agent();
  agent.createConnection = () => {
    const child = spawn("ssh", sshArguments(host), { stdio: ["pipe", "pipe", "pipe"] });
    const connection = Duplex.from({ readable: child.stdout, writable: child.stdin });
    let complaint = "";
    child.stderr.on("data", (chunk: Buffer) => (complaint = `${complaint}${chunk.toString()}`.slice(-500)));
    child.once("error", (error) => connection.destroy(error));
    child.once("exit", (code) => {
      if (code !== 0 && code !== null) connection.destroy(new Error(`ssh ended with exit code ${code}: ${complaint.trim()}`));
    });
    connection.once("close", () => child.kill());
    return connection;
  };
  return agent;
}
