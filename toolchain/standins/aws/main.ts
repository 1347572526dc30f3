/** Entry of the aws provider stand-in: previews of the production stack on machines where the official plugin cannot be downloaded. */
import { runProvider } from "../shared/provider";
import { definition } from "./definition";

runProvider(definition);
