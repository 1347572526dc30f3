import { PolicyPack } from "@pulumi/policy";
import * as pulumi from "@pulumi/pulumi";
import { policies } from "./pack";
import { profileOf } from "./profile";
import { RULES } from "./rules";
import { costCeiling, estimateOfProgram } from "./rules/cost-ceiling";
import { settingsOf } from "./settings";

/** The policy pack: `pulumi preview --policy-pack policy`. The rules themselves are in rules/, and know nothing of Pulumi's policies. */
const config = new pulumi.Config("phased-stack");
const { profile, monthlyCostCeiling } = settingsOf((key) => config.get(key), pulumi.getStack());
const rules = [...RULES, ...costCeiling(estimateOfProgram, monthlyCostCeiling)];

new PolicyPack("phased-stack", { policies: policies(rules, profileOf(profile)) });
