/** Entry of the random provider stand-in, for machines where the official `pulumi-resource-random` cannot be downloaded. */
import { runProvider } from "../shared/provider";
import { definition } from "./definition";

runProvider(definition);
