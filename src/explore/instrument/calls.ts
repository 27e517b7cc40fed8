// Which calls of a user's file tell the runtime what they made, so that a forgotten `yield*` is found.
import type { AnyNode } from "acorn";
import { isFunction } from "./scope.ts";

/** True for a call whose value stays where the call stands: it is neither delegated to nor handed to the caller. */
export function keepsItsValue(node: AnyNode & { type: "CallExpression" }, path: readonly AnyNode[]): boolean {
  const fn = path.findLast(isFunction);
  const parent = path.at(-1);
  if (fn === undefined || node.callee.type === "Super" || isInOptionalChain(node, path)) return false;
  if (parent?.type === "YieldExpression") return !parent.delegate;
  // A function that is no generator hands its caller a generator to run; that call is looked at in turn.
  if (parent?.type === "ReturnStatement") return fn.generator === true;
  return parent !== fn;
}

/** What a call in `a?.b().c()` is wrapped in would end the chain. */
function isInOptionalChain(node: AnyNode, path: readonly AnyNode[]): boolean {
  let child = node;
  for (let i = path.length - 1; i >= 0; i--) {
    const parent = path[i] as AnyNode;
    if (parent.type === "ChainExpression") return true;
    const goesOn =
      (parent.type === "MemberExpression" && parent.object === child) ||
      (parent.type === "CallExpression" && parent.callee === child);
    if (!goesOn) return false;
    child = parent;
  }
  return false;
}

/** The name under which a called function is printed. */
export function calleeName(callee: AnyNode): string {
  switch (callee.type) {
    case "Identifier":
      return callee.name;
    case "MemberExpression":
      return callee.property.type === "Identifier" && !callee.computed ? callee.property.name : "a function";
    case "SequenceExpression":
      return calleeName(callee.expressions.at(-1) as AnyNode);
    default:
      return "a function";
  }
}
