import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { type AwsArgs, physicalName, tagsOf } from "../context";

/** When somebody is told: parts of the limit that are spent, and that AWS expects to be spent by the end of the month. */
const NOTICES = [
  { notificationType: "ACTUAL", threshold: 50 },
  { notificationType: "ACTUAL", threshold: 80 },
  { notificationType: "ACTUAL", threshold: 100 },
  { notificationType: "FORECASTED", threshold: 100 },
] as const;

export interface BudgetArgs extends AwsArgs {
  /** US dollars a month. */
  readonly monthlyUsd: number;
  readonly topicArn: pulumi.Input<string>;
}

/**
 * What the account may cost a month before somebody is told. Of the whole account: costs by tag are there only once the tags were activated for
 * billing by hand, and a budget that silently counts nothing would be worse than one that counts too much. It stops nothing.
 */
export class Budget extends pulumi.ComponentResource {
  private readonly budget: aws.budgets.Budget;

  constructor(name: string, { context, monthlyUsd, topicArn }: BudgetArgs, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:aws:Budget", name, {}, opts);
    this.budget = new aws.budgets.Budget(
      `${name}-monthly`,
      {
        name: physicalName(context, `${name}-monthly`),
        budgetType: "COST",
        timeUnit: "MONTHLY",
        limitAmount: String(monthlyUsd),
        limitUnit: "USD",
        notifications: NOTICES.map((notice) => ({
          ...notice,
          comparisonOperator: "GREATER_THAN",
          thresholdType: "PERCENTAGE",
          subscriberSnsTopicArns: [topicArn],
        })),
        tags: tagsOf(context, `${name}-monthly`),
      },
      { parent: this },
    );
    this.registerOutputs({});
  }

  /** The resources this component is made of. */
  get nodes(): { readonly budget: aws.budgets.Budget } {
    return { budget: this.budget };
  }
}
