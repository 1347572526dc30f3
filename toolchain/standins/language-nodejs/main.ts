/**
 * Entry of the Node language host stand-in, for machines where the official `pulumi-language-nodejs` cannot be downloaded.
 *
 * The engine starts it as `pulumi-language-nodejs [flags] ENGINE_ADDRESS` and reads the port from the first line of its output. A launcher of
 * that name on PATH (or beside the `pulumi` executable) runs this file with the project's own Node and tsx; nothing here depends on where the
 * file lies, so it may be bundled into one CommonJS file first.
 */
import { LanguageRuntimeService } from "@pulumi/pulumi/proto/language_grpc_pb";
import { version } from "@pulumi/pulumi/version";

import { parsePluginArguments, runPluginProcess } from "../shared/plugin-process";
import { languageHost } from "./host";

const { engineAddress, version: onlyVersion } = parsePluginArguments(process.argv.slice(2));

if (onlyVersion) {
  process.stdout.write(`${version}\n`);
} else {
  const host = languageHost({ engineAddress, env: process.env, stdout: process.stdout, stderr: process.stderr });
  runPluginProcess({
    register: (server) => server.addService(LanguageRuntimeService, host.service),
    engineAddress,
    stop: host.cancel,
  }).catch((error: unknown) => {
    process.stderr.write(`The Node language host stand-in could not start: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  });
}
