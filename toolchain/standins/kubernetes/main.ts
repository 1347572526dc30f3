/** Entry of the kubernetes provider stand-in: previews on machines where the official plugin cannot be downloaded. */
import { runProvider } from "../shared/provider";
import { definition } from "./definition";

runProvider(definition);
