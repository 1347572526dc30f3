import { runScaled } from "@phased-stack/app";
import { createShop } from "./shop";

void runScaled(({ logger }) => {
  logger.info("opening the shop");
  return createShop();
});
