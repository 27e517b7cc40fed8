// SQL over a recording, and Parquet for engines elsewhere, by DuckDB if the person has installed it.
// The tables are made from the records of `--json`; docs/trace.md lists them.
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PagelifeError } from "../base/errors.ts";
import { printable } from "../trace/wording.ts";

/** Tables by name: the type of record each is made of, and its columns. */
export const tables = {
  changes: {
    record: "change",
    columns:
      'CAST(timeNs AS BIGINT) AS time_ns, "where" AS line, cpu, task.comm AS comm, task.tid AS tid, page, event, "before", "count", certainty, mappings',
    types:
      "{timeNs: 'VARCHAR', \"where\": 'BIGINT', cpu: 'INTEGER', task: 'STRUCT(comm VARCHAR, tid BIGINT)', page: 'VARCHAR', event: 'VARCHAR', \"before\": 'DOUBLE', \"count\": 'DOUBLE', certainty: 'VARCHAR', mappings: 'DOUBLE'}",
  },
  pages: {
    record: "page",
    columns:
      'page, type, "count", certainty, expected, temporary, spurious, mappings, mapping, "index", CAST(firstNs AS BIGINT) AS first_ns, CAST(lastNs AS BIGINT) AS last_ns, changes, pins, gets, puts, maxCount AS max_count',
    types:
      "{page: 'VARCHAR', type: 'VARCHAR', \"count\": 'DOUBLE', certainty: 'VARCHAR', expected: 'DOUBLE', temporary: 'DOUBLE', spurious: 'DOUBLE', mappings: 'DOUBLE', mapping: 'VARCHAR', \"index\": 'VARCHAR', firstNs: 'VARCHAR', lastNs: 'VARCHAR', changes: 'BIGINT', pins: 'BIGINT', gets: 'BIGINT', puts: 'BIGINT', maxCount: 'DOUBLE'}",
  },
  holders: {
    record: "holder",
    columns:
      'id, kind, task.comm AS comm, task.tid AS tid, tasks, event, stack, "references", pages, CAST(sinceNs AS BIGINT) AS since_ns, seen, unknown',
    types:
      "{id: 'VARCHAR', kind: 'VARCHAR', task: 'STRUCT(comm VARCHAR, tid BIGINT)', tasks: 'BIGINT', event: 'VARCHAR', stack: 'VARCHAR', \"references\": 'BIGINT', pages: 'VARCHAR[][]', sinceNs: 'VARCHAR', seen: 'VARCHAR', unknown: 'BOOLEAN'}",
  },
  waits: {
    record: "wait",
    columns:
      "task.comm AS comm, task.tid AS tid, via, caller, CAST(enteredNs AS BIGINT) AS entered_ns, CAST(endedNs AS BIGINT) AS ended_ns, result",
    types:
      "{task: 'STRUCT(comm VARCHAR, tid BIGINT)', via: 'VARCHAR[]', caller: 'VARCHAR', enteredNs: 'VARCHAR', endedNs: 'VARCHAR', result: 'DOUBLE'}",
  },
  findings: {
    record: "finding",
    columns: "kind, severity, sentence, pages, CAST(durationNs AS BIGINT) AS duration_ns, caveats",
    types:
      "{kind: 'VARCHAR', severity: 'VARCHAR', sentence: 'VARCHAR', pages: 'VARCHAR[][]', durationNs: 'VARCHAR', caveats: 'VARCHAR[]'}",
  },
  stacks: {
    record: "stack",
    columns: "id, frames",
    types: "{id: 'VARCHAR', frames: 'VARCHAR[]'}",
  },
  events: {
    record: "event",
    columns: 'name, "count", analysed',
    types: "{name: 'VARCHAR', \"count\": 'BIGINT', analysed: 'BOOLEAN'}",
  },
} as const;

type TableName = keyof typeof tables;

// What we use of @duckdb/node-api, which is not a dependency.
interface DuckConnection {
  run(sql: string): Promise<unknown>;
  runAndReadAll(sql: string): Promise<{ columnNames(): string[]; getRowsJson(): unknown[][] }>;
}
interface DuckModule {
  readonly DuckDBInstance: {
    create(path: string, options: Record<string, string>): Promise<{ connect(): Promise<DuckConnection> }>;
  };
}

/** Collects records in files of their own, beside the memory, until they become tables. */
export class RecordTables {
  readonly #folder = mkdtempSync(join(tmpdir(), "pagelife-sql-"));
  readonly #files = new Map<string, { readonly name: TableName; readonly fd: number; pending: string[] }>();

  constructor() {
    for (const [name, { record }] of Object.entries(tables)) {
      const fd = openSync(join(this.#folder, `${name}.ndjson`), "w");
      this.#files.set(record, { name: name as TableName, fd, pending: [] });
    }
  }

  /** A line of `--json`. */
  add(line: string): void {
    const type = /^\{"type":"(\w+)"/.exec(line)?.[1] ?? "";
    const file = this.#files.get(type);
    if (file === undefined) return;
    const data = line.indexOf('"data":');
    file.pending.push(line.slice(data + 7, line.lastIndexOf("}")));
    if (file.pending.length >= 4096) this.#flush(file);
  }

  #flush(file: { readonly fd: number; pending: string[] }): void {
    if (file.pending.length > 0) writeSync(file.fd, `${file.pending.join("\n")}\n`);
    file.pending = [];
  }

  /** @returns rows of the query as text, one a line; empty if there was none. */
  async finish(sql: string | undefined, parquet: string | undefined): Promise<string> {
    try {
      for (const file of this.#files.values()) {
        this.#flush(file);
        closeSync(file.fd);
      }
      const db = await connect();
      for (const [name, { columns, types }] of Object.entries(tables)) {
        const path = join(this.#folder, `${name}.ndjson`).replace(/'/g, "''");
        await db.run(
          `CREATE TABLE ${name} AS SELECT ${columns} FROM read_json('${path}', format='newline_delimited', columns=${types})`,
        );
      }
      if (parquet !== undefined) {
        mkdirSync(parquet, { recursive: true });
        for (const name of Object.keys(tables)) {
          const path = join(parquet, `${name}.parquet`).replace(/'/g, "''");
          await db.run(`COPY ${name} TO '${path}' (FORMAT parquet, COMPRESSION zstd)`);
        }
      }
      if (sql === undefined) return "";
      const result = await db.runAndReadAll(sql);
      const rows = [result.columnNames(), ...result.getRowsJson()];
      return rows
        .map(
          (row) =>
            `${row.map((cell) => printable(typeof cell === "string" ? cell : JSON.stringify(cell))).join("\t")}\n`,
        )
        .join("");
    } catch (error) {
      if (error instanceof PagelifeError) throw error;
      throw new PagelifeError("PL105", `DuckDB: ${error instanceof Error ? error.message : String(error)}`);
    } finally {
      rmSync(this.#folder, { recursive: true, force: true });
    }
  }
}

async function connect(): Promise<DuckConnection> {
  // Not written as a literal, so that neither the compiler nor a bundler asks for it.
  const name = "@duckdb/node-api";
  let duckdb: DuckModule;
  try {
    duckdb = (await import(name)) as DuckModule;
  } catch {
    throw new PagelifeError(
      "PL404",
      "--sql and --parquet need DuckDB, which is not installed: npm install @duckdb/node-api@1.5.6-r.1",
    );
  }
  // A typing error must not make it fetch an extension from the network.
  const instance = await duckdb.DuckDBInstance.create(":memory:", {
    autoinstall_known_extensions: "false",
    autoload_known_extensions: "false",
  });
  return instance.connect();
}
