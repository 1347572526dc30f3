import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import { Secret, type SecretArgs } from "../secrets";
import { signingKey } from "./signing-key";

const defaults = {
  /** 64 letters and digits are 381 bits. */
  length: 64,
} as const;

export interface SigningKeysArgs extends Omit<SecretArgs, "description" | "protect" | "transform"> {
  /** Number of the key that signs; one more and another one does. */
  readonly generation: number;
}

/** Public half of a key. */
export interface PublicSigningKey {
  readonly generation: number;
  readonly pem: pulumi.Input<string>;
}

/**
 * Keys by which the app signs addresses of CloudFront: that of the generation, and the one before, which stays trusted until the next change so that
 * tasks that still sign with it are believed. Both follow from one generated text ({@link signingKey}). The private halves are in Secrets Manager,
 * one for odd and one for even generations: a change writes over the one nobody signs with any more, and nothing a running task reads.
 *
 * Cost: two secrets.
 */
export class SigningKeys extends pulumi.ComponentResource {
  /** Public halves, the current one first. */
  readonly publicKeys: readonly PublicSigningKey[];
  /** Secret with the private half of the current one, PEM. */
  readonly privateKeyArn: pulumi.Output<string>;
  /** Secrets with the private halves of both. */
  readonly secretArns: readonly pulumi.Output<string>[];
  private readonly password: random.RandomPassword;

  constructor(name: string, args: SigningKeysArgs, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:aws:SigningKeys", name, {}, opts);
    const { generation: current, ...secret } = args;
    this.password = new random.RandomPassword(`${name}-generated`, { length: defaults.length, special: false }, { parent: this });
    const generated = pulumi.secret(this.password.result);
    const made = [current, current - 1].map((generation) => {
      const pair = generated.apply((text) => signingKey(text, generation));
      const kept = new Secret(
        `${name}-${generation % 2 === 0 ? "even" : "odd"}`,
        { ...secret, description: "Signs addresses of uploads", content: pair.privateKey },
        { parent: this },
      );
      // What everybody may know needs no encryption, and a preview shows it.
      return { arn: kept.arn, publicKey: { generation, pem: pulumi.unsecret(pair.publicKey) } };
    });
    this.publicKeys = made.map(({ publicKey }) => publicKey);
    this.secretArns = made.map(({ arn }) => arn);
    const [first] = made;
    if (first === undefined) throw new Error(`${name} has no key`);
    this.privateKeyArn = first.arn;
    this.registerOutputs({ privateKeyArn: this.privateKeyArn });
  }
}
