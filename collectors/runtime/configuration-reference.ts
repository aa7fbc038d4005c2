import { systemWords } from "./errors.ts";
import { readRegularFile } from "./regular-file.ts";

/**
 * Replaces `${file:/path}` by a file's content without its last line end, `${env:NAME}` by a variable, and `$${` by
 * `${`. Returns what is wrong instead where something cannot be had; neither says a word of what was read.
 */
export function resolveReferences(
  text: string,
  environment: Readonly<Record<string, string | undefined>>,
): { readonly text: string } | { readonly fault: string } {
  let fault: string | null = null;
  const resolved = text.replace(/\$\$\{|\$\{([^}]*)\}?/g, (whole, reference: string | undefined) => {
    if (reference === undefined) return "${";
    const [, kind, name = ""] = /^(file|env):(.+)$/.exec(reference) ?? [];
    if (kind === undefined || !whole.endsWith("}")) {
      fault ??= `${whole} is no reference; write \${file:/path} or \${env:NAME}, and $\${ for the characters themselves`;
      return "";
    }
    if (kind === "env") {
      const value = environment[name];
      if (value === undefined) fault ??= `${whole}: there is no variable ${name} in the environment`;
      return value ?? "";
    }
    try {
      return readRegularFile(name).replace(/\r?\n$/, "");
    } catch (error) {
      fault ??= `${whole}: cannot be read: ${systemWords(error)}`;
      return "";
    }
  });
  return fault === null ? { text: resolved } : { fault };
}
