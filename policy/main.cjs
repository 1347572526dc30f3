// What the engine's host requires. Its own loader would check the types of all rules in every preview; tsx only strips them.
require("tsx/cjs");
require("./index.ts");
