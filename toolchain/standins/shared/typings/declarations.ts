import { existsSync, readFileSync } from "node:fs";
import path from "node:path";

import type ts from "typescript";

/** What a resource type takes and gives, from the declarations of its npm package. */
export interface ResourceDeclaration {
  /** Members of the `…Args` interface. */
  readonly args: ReadonlyMap<string, Member>;
  /** Names of the class's outputs. */
  readonly outputs: readonly string[];
}

/** A property of an interface. */
export interface Member {
  readonly required: boolean;
  readonly type: ts.TypeNode;
}

/**
 * Reads the declarations (`.d.ts`) of a Pulumi provider's npm package: the only description of its types that a machine without the plugin has. The
 * TypeScript compiler is loaded with the first resource, files are parsed when needed and kept.
 */
export class Declarations {
  readonly #root: string;
  readonly #typescript: typeof ts;
  #inputTypes: ReadonlyMap<string, ts.InterfaceDeclaration> | undefined;

  private constructor(root: string, typescript: typeof ts) {
    this.#root = root;
    this.#typescript = typescript;
  }

  /** @param root the npm package's directory */
  static async open(root: string): Promise<Declarations> {
    return new Declarations(root, (await import("typescript")).default);
  }

  get typescript(): typeof ts {
    return this.#typescript;
  }

  /** The declaration of the class `name` in a file of the package (without `.d.ts`); undefined when there is none. */
  resource(file: string, name: string): ResourceDeclaration | undefined {
    const source = this.#parse(`${file}.d.ts`);
    if (source === undefined) return undefined;
    const interfaces = interfacesOf(this.#typescript, source.statements, "");
    const declared = source.statements.find(
      (node): node is ts.ClassDeclaration => this.#typescript.isClassDeclaration(node) && node.name?.text === name,
    );
    const args = interfaces.get(`${name}Args`);
    if (declared === undefined || args === undefined) return undefined;
    return { args: this.members(args), outputs: this.#outputsOf(declared) };
  }

  /** The interface behind a type such as `inputs.ec2.InstanceRootBlockDevice`, by the name after `inputs.`. */
  inputType(name: string): ts.InterfaceDeclaration | undefined {
    if (this.#inputTypes === undefined) {
      const source = this.#parse("types/input.d.ts");
      this.#inputTypes = source === undefined ? new Map() : interfacesOf(this.#typescript, source.statements, "");
    }
    return this.#inputTypes.get(name);
  }

  /** The properties of an interface. */
  members(declaration: ts.InterfaceDeclaration): ReadonlyMap<string, Member> {
    const members = new Map<string, Member>();
    for (const member of declaration.members) {
      if (!this.#typescript.isPropertySignature(member) || member.type === undefined) continue;
      members.set(this.#nameOf(member.name), { required: member.questionToken === undefined, type: member.type });
    }
    return members;
  }

  #outputsOf(declaration: ts.ClassDeclaration): string[] {
    const properties = declaration.members.filter((member) => this.#typescript.isPropertyDeclaration(member));
    return properties
      .filter((property) => property.type?.getText().startsWith("pulumi.Output<"))
      .map((property) => this.#nameOf(property.name));
  }

  #nameOf(name: ts.PropertyName): string {
    return this.#typescript.isIdentifier(name) || this.#typescript.isStringLiteral(name) ? name.text : name.getText();
  }

  #parse(file: string): ts.SourceFile | undefined {
    const full = path.join(this.#root, file);
    if (!existsSync(full)) return undefined;
    const { ScriptTarget, JSDocParsingMode, createSourceFile } = this.#typescript;
    // Comments are most of these files (5.7 MB for the inputs of aws), and nothing here reads them.
    const options = { languageVersion: ScriptTarget.ES2022, jsDocParsingMode: JSDocParsingMode.ParseNone };
    return createSourceFile(full, readFileSync(full, "utf8"), options, true);
  }
}

/** Interfaces by their names, those in namespaces as `namespace.Name`. */
function interfacesOf(typescript: typeof ts, statements: readonly ts.Statement[], prefix: string): Map<string, ts.InterfaceDeclaration> {
  const found = new Map<string, ts.InterfaceDeclaration>();
  for (const statement of statements) {
    if (typescript.isInterfaceDeclaration(statement)) found.set(`${prefix}${statement.name.text}`, statement);
    if (typescript.isModuleDeclaration(statement) && statement.body !== undefined && typescript.isModuleBlock(statement.body)) {
      const inner = interfacesOf(typescript, statement.body.statements, `${prefix}${statement.name.text}.`);
      for (const [name, declaration] of inner) found.set(name, declaration);
    }
  }
  return found;
}
