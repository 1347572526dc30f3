/**
 * Entry of the docker provider stand-in, for machines where the official `pulumi-resource-docker` cannot be downloaded.
 *
 * The engine starts it as `pulumi-resource-docker [flags] ENGINE_ADDRESS` and reads the port from the first line of its output. Nothing here depends on
 * where the file lies, so it may be bundled into one CommonJS file first.
 */
import { ResourceProviderService } from "@pulumi/pulumi/proto/provider_grpc_pb";
import { parsePluginArguments, runPluginProcess } from "../shared/plugin-process";
import { VERSION, dockerProvider } from "./provider";

const { engineAddress, version } = parsePluginArguments(process.argv.slice(2));

if (version) {
  process.stdout.write(`${VERSION}\n`);
} else {
  const provider = dockerProvider(engineAddress);
  runPluginProcess({
    register: (server) => server.addService(ResourceProviderService, provider.service),
    engineAddress,
    stop: provider.cancel,
  }).catch((error: unknown) => {
    process.stderr.write(`The docker provider stand-in could not start: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  });
}
