// Who declares a name, who mentions it, and who changes it: lexical scopes of a JavaScript module, as
// far as the instrumentation needs them.
import type { AnyNode, Identifier, Pattern, Program } from "acorn";

/** Any of the three kinds of function; methods are expressions. */
export type FunctionNode = Extract<
  AnyNode,
  { type: "FunctionDeclaration" | "FunctionExpression" | "ArrowFunctionExpression" }
>;

/** A declared name. */
export interface Binding {
  readonly name: string;
  readonly scope: Scope;
  /** Where its initialisation is complete: a mention before that would fail. Parameters: 0. */
  readonly initialisedAt: number;
  readonly kind: "parameter" | "variable" | "function" | "module";
  /** The case of a switch that declares it, which other cases may jump over. */
  readonly inCase: AnyNode | null;
  /** The for-of or for-in whose head declares it. */
  readonly loopHead: AnyNode | null;
  /** Positions of every mention. */
  readonly mentions: number[];
  /** True if something assigns to it after its declaration. */
  assigned: boolean;
}

/** A function, block or module with names of its own. */
export interface Scope {
  readonly node: AnyNode;
  readonly parent: Scope | null;
  /** The innermost function around it, the function itself included. */
  readonly function: FunctionNode | null;
  readonly bindings: Map<string, Binding>;
}

export interface Scopes {
  /** The scope that a node opens, or null. */
  opened(node: AnyNode): Scope | null;
  /** The binding that an identifier resolves to, or null for a global. */
  resolve(identifier: Identifier): Binding | null;
  /** The free names of a function that enclosing functions declare (module names not among them). */
  captured(fn: FunctionNode): readonly Binding[];
}

export const isNode = (value: unknown): value is AnyNode =>
  typeof value === "object" && value !== null && typeof (value as { type?: unknown }).type === "string";

export const isFunction = (node: AnyNode): node is FunctionNode =>
  node.type === "FunctionDeclaration" ||
  node.type === "FunctionExpression" ||
  node.type === "ArrowFunctionExpression";

/** The direct children of a node, in source order. */
export function children(node: AnyNode): AnyNode[] {
  const found: AnyNode[] = [];
  for (const value of Object.values(node)) {
    if (Array.isArray(value)) found.push(...value.filter(isNode));
    else if (isNode(value)) found.push(value);
  }
  return found.sort((a, b) => a.start - b.start);
}

/** The identifiers that a pattern binds. */
export function boundNames(pattern: Pattern | AnyNode | null): Identifier[] {
  if (pattern === null) return [];
  switch (pattern.type) {
    case "Identifier":
      return [pattern];
    case "ObjectPattern":
      return pattern.properties.flatMap((p) => boundNames(p.type === "RestElement" ? p.argument : p.value));
    case "ArrayPattern":
      return pattern.elements.flatMap((e) => boundNames(e));
    case "AssignmentPattern":
      return boundNames(pattern.left);
    case "RestElement":
      return boundNames(pattern.argument);
    default:
      return [];
  }
}

const opensScope = (node: AnyNode): boolean =>
  isFunction(node) ||
  /^(Program|BlockStatement|ForStatement|ForOfStatement|ForInStatement|SwitchStatement|CatchClause|StaticBlock|ClassExpression)$/.test(
    node.type,
  );

/** Identifiers that name a field, a label or an export, and so mention no binding. */
function isName(node: AnyNode, parent: AnyNode | null): boolean {
  if (parent === null) return false;
  switch (parent.type) {
    case "MemberExpression":
      return parent.property === node && !parent.computed;
    case "Property":
    case "MethodDefinition":
    case "PropertyDefinition":
      return parent.key === node && !parent.computed && parent.value !== node;
    case "LabeledStatement":
    case "BreakStatement":
    case "ContinueStatement":
      return true;
    case "ExportSpecifier":
      return parent.exported === node && parent.local !== node;
    case "ImportSpecifier":
      return parent.imported === node && parent.local !== node;
    case "MetaProperty":
      return true;
    default:
      return false;
  }
}

/** Resolves the names of a module. */
export function analyseScopes(program: Program): Scopes {
  const scopes = new Map<AnyNode, Scope>();
  const resolved = new Map<AnyNode, Binding>();
  const scopeAt = new Map<AnyNode, Scope>();

  const declare = (
    scope: Scope,
    id: Identifier,
    kind: Binding["kind"],
    at: number,
    path: readonly AnyNode[],
  ): void => {
    if (scope.bindings.has(id.name)) return;
    const loop = path.findLast((n) => n.type === "ForOfStatement" || n.type === "ForInStatement");
    scope.bindings.set(id.name, {
      name: id.name,
      scope,
      initialisedAt: at,
      kind: scope.parent === null ? "module" : kind,
      inCase: path.findLast((n) => n.type === "SwitchCase") ?? null,
      loopHead: loop !== undefined && loop.left.start <= id.start && id.end <= loop.left.end ? loop : null,
      mentions: [],
      assigned: false,
    });
  };

  const declareAll = (node: AnyNode, outer: Scope | null, path: AnyNode[]): void => {
    let scope = outer;
    if (opensScope(node) || scope === null) {
      const fn: FunctionNode | null = isFunction(node) ? node : (outer?.function ?? null);
      scope = { node, parent: outer, function: fn, bindings: new Map() };
      scopes.set(node, scope);
    }
    if (isFunction(node)) {
      for (const id of node.params.flatMap((p) => boundNames(p))) declare(scope, id, "parameter", 0, []);
      if (node.type === "FunctionDeclaration" && node.id && outer) {
        declare(outer, node.id, "function", 0, path);
      } else if (node.type === "FunctionExpression" && node.id) {
        declare(scope, node.id, "function", 0, []);
      }
    } else if (node.type === "VariableDeclaration") {
      for (const d of node.declarations) {
        for (const id of boundNames(d.id)) declare(scope, id, "variable", d.end, path);
      }
    } else if (node.type === "ClassDeclaration" && node.id) {
      declare(scope, node.id, "function", node.end, path);
    } else if (node.type === "ClassExpression" && node.id) {
      declare(scope, node.id, "function", 0, []);
    } else if (node.type === "CatchClause" && node.param) {
      for (const id of boundNames(node.param)) declare(scope, id, "parameter", 0, []);
    } else if (node.type === "ImportDeclaration") {
      for (const s of node.specifiers) declare(scope, s.local, "module", 0, []);
    }
    scopeAt.set(node, scope);
    path.push(node);
    for (const child of children(node)) declareAll(child, scope, path);
    path.pop();
  };

  const lookUp = (scope: Scope | null, name: string): Binding | null => {
    for (let s = scope; s !== null; s = s.parent) {
      const found = s.bindings.get(name);
      if (found) return found;
    }
    return null;
  };

  const resolveAll = (node: AnyNode, parent: AnyNode | null): void => {
    if (node.type === "Identifier" && !isName(node, parent)) {
      const binding = lookUp(scopeAt.get(node) ?? null, node.name);
      if (binding) {
        resolved.set(node, binding);
        binding.mentions.push(node.start);
      }
    }
    if (node.type === "AssignmentExpression" || node.type === "UpdateExpression") {
      const target = node.type === "AssignmentExpression" ? node.left : node.argument;
      for (const id of boundNames(target)) {
        const binding = lookUp(scopeAt.get(node) ?? null, id.name);
        if (binding) binding.assigned = true;
      }
    }
    if (
      (node.type === "ForOfStatement" || node.type === "ForInStatement") &&
      node.left.type !== "VariableDeclaration"
    ) {
      for (const id of boundNames(node.left)) {
        const binding = lookUp(scopeAt.get(node) ?? null, id.name);
        if (binding) binding.assigned = true;
      }
    }
    for (const child of children(node)) resolveAll(child, node);
  };

  declareAll(program, null, []);
  resolveAll(program, null);

  const isWithin = (scope: Scope, fn: FunctionNode): boolean => {
    for (let s: Scope | null = scope; s !== null; s = s.parent) if (s.node === fn) return true;
    return false;
  };

  return {
    opened: (node) => scopes.get(node) ?? null,
    resolve: (identifier) => resolved.get(identifier) ?? null,
    captured(fn) {
      const found = new Set<Binding>();
      const visit = (node: AnyNode): void => {
        const binding = resolved.get(node);
        if (binding && binding.kind !== "module" && !isWithin(binding.scope, fn)) found.add(binding);
        for (const child of children(node)) visit(child);
      };
      visit(fn);
      return [...found];
    },
  };
}
