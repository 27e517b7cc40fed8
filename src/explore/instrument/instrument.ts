// Makes the local state of generator functions visible. A generator cannot be cloned or looked
// into; so its code is rewritten a little: at every yield, each frame notes where it stands (the
// site) and its live locals, and every function literal gets an identity. One rewriting serves the
// build, the tests and users' files. What a reader of the modelled code must know: a yield may not
// stand where a half-evaluated expression would hide on the generator's stack, and a function
// literal may capture only what does not change.
import { originalPositionFor, TraceMap } from "@jridgewell/trace-mapping";
import { type AnyNode, type Identifier, type Program, parse } from "acorn";
import MagicString from "magic-string";
import { PagelifeError } from "../../base/errors.ts";
import { calleeName, keepsItsValue } from "./calls.ts";
import {
  analyseScopes,
  type Binding,
  children,
  type FunctionNode,
  isFunction,
  type Scopes,
} from "./scope.ts";

export interface InstrumentOptions {
  /** How the file is named in sites and errors; a path, of which the part below `src` or `dist` is kept. */
  readonly file: string;
  /** Source map of what was done to the code before, so that sites and errors name lines as written. */
  readonly map?: string | undefined;
  /** Module that sets up the runtime (`frames.ts`), imported first. Not needed where it is loaded already. */
  readonly runtime?: string | undefined;
  /** Is every call to tell the runtime what it made? For files of the user's: it finds a forgotten `yield*`. */
  readonly calls?: boolean;
}

export interface Instrumented {
  readonly code: string;
  /** Source map of this step alone, composed with `map` where there was one. */
  readonly map: string;
}

/** True for our own files whose functions run as modelled threads. */
export const isInstrumentedPath = (path: string): boolean =>
  /[\\/](src|dist)[\\/]((kernel|changes|scenarios)[\\/].*|explore[\\/](access|task|tso))\.[jt]s$/.test(
    path,
  ) && !/\.d\.ts$/.test(path);

/** Our own files are named below `src`, as written; a user's by its path. */
const shortName = (file: string): string =>
  isInstrumentedPath(file)
    ? file.replace(/^.*[\\/](src|dist)[\\/]/, "").replace(/\.js$/, ".ts")
    : file.replace(/^file:\/\//, "");

interface Place {
  readonly path: readonly AnyNode[];
  readonly fn: FunctionNode;
}

/**
 * Instruments JavaScript, ESM or CommonJS.
 *
 * @returns null where there is nothing to do: the code has neither generators nor function literals.
 * @throws {@link PagelifeError} PL205 with file and line where a rule is broken.
 */
export function instrument(source: string, options: InstrumentOptions): Instrumented | null {
  if (!/\*|=>|function/.test(source)) return null;
  const file = shortName(options.file);
  const map = options.map === undefined ? null : new TraceMap(options.map);
  const program = parseModule(source, file);
  return new Rewriter(source, program, file, map, options.calls === true).run(options.runtime);
}

function parseModule(source: string, file: string): Program {
  try {
    return parse(source, {
      ecmaVersion: "latest",
      sourceType: "module",
      locations: true,
      allowReturnOutsideFunction: true,
      allowHashBang: true,
    });
  } catch (error) {
    throw new PagelifeError("PL103", `${file}: ${(error as Error).message}`, { cause: error });
  }
}

class Rewriter {
  readonly #source: string;
  readonly #program: Program;
  readonly #file: string;
  readonly #map: TraceMap | null;
  readonly #calls: boolean;
  readonly #scopes: Scopes;
  readonly #out: MagicString;
  readonly #sites: object[] = [];
  readonly #functions: object[] = [];
  #literals = 0;
  #loops = 0;

  constructor(source: string, program: Program, file: string, map: TraceMap | null, calls: boolean) {
    this.#calls = calls;
    this.#source = source;
    this.#program = program;
    this.#file = file;
    this.#map = map;
    this.#scopes = analyseScopes(program);
    this.#out = new MagicString(source);
  }

  run(runtime: string | undefined): Instrumented {
    this.#visit(this.#program, []);
    const prelude =
      `${runtime === undefined ? "" : `import ${JSON.stringify(runtime)}; `}const __r = globalThis[Symbol.for("pagelife.runtime")], ` +
      `__s = ${JSON.stringify(this.#sites)}, __n = ${JSON.stringify(this.#functions)}; `;
    // Directives such as "use strict" count only where nothing stands before them.
    const directives = this.#program.body.filter((n) => n.type === "ExpressionStatement" && "directive" in n);
    const hashBang = /^#!.*\n/.exec(this.#source)?.[0].length ?? 0;
    this.#out.prependLeft(directives.at(-1)?.end ?? hashBang, ` ${prelude}`);
    const map = this.#out.generateMap({ source: this.#file, hires: true, includeContent: true });
    return { code: this.#out.toString(), map: map.toString() };
  }

  /** Line in the source as its author wrote it. */
  #line(node: AnyNode): number {
    const start = node.loc?.start;
    if (start === undefined) return 0;
    if (this.#map === null) return start.line;
    return originalPositionFor(this.#map, start).line ?? start.line;
  }

  #refuse(node: AnyNode, rule: string): never {
    throw new PagelifeError("PL205", `${this.#file}:${this.#line(node)}: ${rule}`);
  }

  #visit(node: AnyNode, path: AnyNode[]): void {
    const parent = path.at(-1) ?? null;
    if (isFunction(node)) this.#function(node, parent);
    if (node.type === "ClassDeclaration" || node.type === "ClassExpression") {
      this.#out.appendLeft(node.body.start + 1, " static { __r.markClass(this); }");
    }
    if (node.type === "YieldExpression") this.#yield(node, path);
    const fn = path.findLast(isFunction);
    if (fn?.generator === true) {
      if (node.type === "ReturnStatement" && node.argument) {
        this.#wrap(node.argument, "__r.result(__f, ", ")");
      }
      if (node.type === "ForOfStatement" && containsYield(node.body)) {
        this.#wrap(node.right, `__r.loop(__f, ${this.#loops++}, `, ")");
      }
    }
    if (this.#calls && node.type === "CallExpression" && keepsItsValue(node, path)) {
      const place = `${this.#file}:${this.#line(node)}: ${calleeName(node.callee)}()`;
      this.#wrap(node, "__r.made(", `, ${JSON.stringify(place)})`);
    }
    path.push(node);
    for (const child of children(node)) this.#visit(child, path);
    path.pop();
  }

  /** Puts text around an expression. Outer wrappings are made before inner ones. */
  #wrap(node: AnyNode, before: string, after: string): void {
    this.#out.appendRight(node.start, before);
    this.#out.prependLeft(node.end, after);
  }

  #function(node: FunctionNode, parent: AnyNode | null): void {
    if (node.async) return;
    const name = nameOf(node, parent);
    const captured = this.#scopes.captured(node);
    const changing = captured.find((b) => b.assigned);
    if (node.generator && changing !== undefined) {
      this.#refuse(
        node,
        `${name} uses "${changing.name}" of the code around it, which is assigned to: state that threads share belongs in cells`,
      );
    }
    const names = captured.filter((b) => b !== changing && b.name !== name).map((b) => b.name);
    const tag =
      `, ${JSON.stringify(`${this.#file}=${this.#literals++}`)}, () => [${names.join(", ")}]` +
      `${changing === undefined ? "" : `, ${JSON.stringify(changing.name)}`})`;
    const open = node.generator ? "__r.fn(__r.mark(" : "__r.fn(";
    const close = (node.generator ? `, ${JSON.stringify(name)})` : "") + tag;

    if (node.type === "FunctionDeclaration") {
      if (!node.id) this.#refuse(node, "a function that is exported by default needs a name here");
      this.#atBlockStart(parent, `${open}${node.id?.name}${close};`);
    } else if (parent?.type === "Property" && parent.method) {
      const key = this.#source.slice(parent.key.start, parent.key.end);
      const keyText = parent.computed ? `[${key}]` : key;
      const star = node.generator ? "function* " : "function ";
      this.#out.overwrite(parent.start, node.start, `${keyText}: ${open}${star}`);
      this.#out.prependLeft(node.end, close);
    } else if (
      parent?.type !== "MethodDefinition" &&
      !(parent?.type === "Property" && parent.kind !== "init")
    ) {
      this.#wrap(node, open, close);
    }

    if (node.generator) this.#generatorBody(node, name);
  }

  #generatorBody(node: FunctionNode, name: string): void {
    const params = node.params.filter((p): p is Identifier => p.type === "Identifier").map((p) => p.name);
    const index = this.#functions.push({ name, params, file: this.#file, line: this.#line(node) }) - 1;
    this.#out.appendLeft(
      node.body.start + 1,
      ` const __f = __r.enter(__n[${index}], [${params.join(", ")}]); try {`,
    );
    this.#out.prependRight(node.body.end - 1, "} finally { __r.leave(__f); } ");
  }

  /** Adds a statement before the first one of the block, or of the module after its imports. */
  #atBlockStart(block: AnyNode | null, statement: string): void {
    if (block?.type === "BlockStatement" || block?.type === "StaticBlock") {
      this.#out.appendLeft(block.start + 1, ` ${statement}`);
      return;
    }
    const first = this.#program.body.find((n) => n.type !== "ImportDeclaration" && !("directive" in n));
    this.#out.appendLeft(first?.start ?? this.#program.end, `${statement} `);
  }

  #yield(node: AnyNode & { type: "YieldExpression" }, path: readonly AnyNode[]): void {
    const place = placeOf(path);
    if (place === null) return;
    if (!node.argument) this.#refuse(node, "this yield has no operation");
    this.#refuseHiddenTemporaries(node, place);
    const locals = this.#liveLocals(node, place);
    const site = {
      key: `${this.#file}#${this.#sites.length}`,
      file: this.#file,
      line: this.#line(node),
      function: nameOf(place.fn, path[path.indexOf(place.fn) - 1] ?? null),
      locals,
    };
    const index = this.#sites.push(site) - 1;
    this.#wrap(
      node.argument,
      node.delegate ? "__r.call(" : "__r.at(",
      `, __f, __s[${index}], [${locals.join(", ")}])`,
    );
  }

  /**
   * The locals that are part of the state at a yield: those in scope and initialised which the
   * statement around the yield, code after it, or a loop around it mentions. Whatever else there is
   * cannot be read any more. Names of enclosing functions count too.
   */
  #liveLocals(node: AnyNode, { path, fn }: Place): string[] {
    const statement = path.findLast((n) => /Statement$|Declaration$/.test(n.type)) ?? node;
    const loops = path.slice(path.indexOf(fn)).filter((n) => /^(For|While|DoWhile)/.test(n.type));
    const found: string[] = [];
    const shadowed = new Set<string>();
    for (let scope = this.#innermost(path); scope !== null; scope = scope.parent) {
      for (const binding of scope.bindings.values()) {
        if (shadowed.has(binding.name)) continue;
        shadowed.add(binding.name);
        if (binding.kind === "module" || binding.kind === "function") continue;
        if (!isInitialised(binding, node, path, fn)) continue;
        if (isLive(binding, statement, loops, fn)) found.push(binding.name);
      }
    }
    return found;
  }

  #innermost(path: readonly AnyNode[]) {
    for (let i = path.length - 1; i >= 0; i--) {
      const at = path[i];
      const scope = at === undefined ? null : this.#scopes.opened(at);
      if (scope !== null) return scope;
    }
    return null;
  }

  /** Refuses a yield with an already evaluated neighbour that could change or cannot be written down. */
  #refuseHiddenTemporaries(node: AnyNode, { path, fn }: Place): void {
    let child = node;
    for (let i = path.length - 1; i >= 0; i--) {
      const parent = path[i];
      if (parent === undefined || parent === fn || /Statement$|Declaration$/.test(parent.type)) return;
      if (!heldBefore(parent, child).every((n) => this.#isStable(n))) {
        this.#refuse(
          node,
          "put the result of this yield into a const of its own first: here it would hide a half-evaluated expression",
        );
      }
      child = parent;
    }
  }

  /** True if an evaluated expression keeps its value whatever happens, and is known from the locals. */
  #isStable(node: AnyNode): boolean {
    if (node.type === "Literal" || node.type === "ThisExpression" || node.type === "Super") return true;
    if (node.type === "ArrowFunctionExpression" || node.type === "FunctionExpression") return true;
    if (node.type === "Identifier") return this.#scopes.resolve(node)?.assigned !== true;
    if (node.type === "SpreadElement") return this.#isStable(node.argument);
    return false;
  }
}

function placeOf(path: readonly AnyNode[]): Place | null {
  const fn = path.findLast(isFunction);
  return fn === undefined ? null : { path, fn };
}

function isInitialised(binding: Binding, node: AnyNode, path: readonly AnyNode[], fn: FunctionNode): boolean {
  if (binding.inCase !== null && binding.scope.node.type === "SwitchStatement") {
    if (!path.includes(binding.inCase)) return false;
  }
  const head = binding.loopHead;
  if (head !== null && "right" in head && within(node, head.right as AnyNode)) return false;
  const outside = !within(binding.scope.node, fn);
  return binding.initialisedAt <= (outside ? fn.start : node.start);
}

const within = (inner: AnyNode, outer: AnyNode): boolean =>
  outer.start <= inner.start && inner.end <= outer.end;

function isLive(binding: Binding, statement: AnyNode, loops: readonly AnyNode[], fn: FunctionNode): boolean {
  // The outermost loop that does not declare the name anew: all of it may run after the yield.
  const loop = loops.find((l) => !within(binding.scope.node, l) || binding.scope.node === l);
  const from = Math.min(statement.start, loop?.start ?? Number.POSITIVE_INFINITY);
  return binding.mentions.some((at) => at >= from && at < fn.end);
}

/** The expressions whose values are held while `child` of `parent` is evaluated. */
function heldBefore(parent: AnyNode, child: AnyNode): AnyNode[] {
  const until = <T extends AnyNode | null>(list: readonly T[]): AnyNode[] =>
    list.slice(0, Math.max(0, list.indexOf(child as T))).filter((n) => n !== null);
  switch (parent.type) {
    case "BinaryExpression":
      return parent.right === child ? [parent.left] : [];
    case "CallExpression":
    case "NewExpression":
      return parent.callee === child ? [] : [...calleeParts(parent.callee), ...until(parent.arguments)];
    case "ArrayExpression":
      return until(parent.elements);
    case "ObjectExpression":
      return until(parent.properties).map((p) => (p.type === "Property" ? p.value : p));
    case "TemplateLiteral":
      return until(parent.expressions);
    case "AssignmentExpression":
      if (parent.right !== child) return [];
      if (parent.operator !== "=") return [parent];
      return parent.left.type === "MemberExpression" ? calleeParts(parent.left) : [];
    case "MemberExpression":
      return parent.property === child ? [parent.object] : [];
    default:
      return [];
  }
}

/** `k.folio_put` is stable when `k` is: a field that is called does not change. */
function calleeParts(callee: AnyNode): AnyNode[] {
  if (callee.type === "ChainExpression") return calleeParts(callee.expression);
  if (callee.type !== "MemberExpression") return [callee];
  return [...calleeParts(callee.object), ...(callee.computed ? [callee.property] : [])];
}

function containsYield(node: AnyNode): boolean {
  if (node.type === "YieldExpression") return true;
  if (isFunction(node)) return false;
  return children(node).some(containsYield);
}

/** The name under which a function is printed. */
function nameOf(fn: FunctionNode, parent: AnyNode | null): string {
  if (fn.type !== "ArrowFunctionExpression" && fn.id) return fn.id.name;
  if (parent?.type === "Property" || parent?.type === "MethodDefinition") {
    return parent.key.type === "Identifier"
      ? parent.key.name
      : String((parent.key as { value?: unknown }).value);
  }
  if (parent?.type === "VariableDeclarator" && parent.id.type === "Identifier") return parent.id.name;
  return "anonymous";
}
