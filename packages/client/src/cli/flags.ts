import { ConfigError } from '../errors.js';
import type { DocumentFormat } from '../files/entries.js';
import type { NerClientOptions } from '../options.js';
import { csv } from './csv.js';
import { jsonl } from './jsonl.js';
import type { OutputFormat } from './record.js';

// Nobody sits before it: a deployment or a fault of AWS may take that long.
const OUTAGE_MS = 3_600_000;

export interface ExtractFlags {
  url?: string;
  textField?: string;
  idField?: string;
  format?: DocumentFormat;
  out?: string;
  outputFormat?: 'jsonl' | 'csv';
  shard?: string;
  concurrency: number;
  budgetShare: number;
  keepFailed?: boolean;
  allowModelChange?: boolean;
  dryRun?: boolean;
  json?: boolean;
}

/** The options of the client that flags and the environment give. */
export function connectionOf({ url, concurrency, budgetShare }: Partial<ExtractFlags>): NerClientOptions {
  if (!url) throw new ConfigError('no url: pass --url or set the environment variable NER_URL');
  return { url, apiKey: process.env['NER_API_KEY'], concurrency, budgetShare, outageMs: OUTAGE_MS };
}

export function formatOf({ out, outputFormat }: { out?: string; outputFormat?: 'jsonl' | 'csv' }): OutputFormat {
  const csvByName = outputFormat === undefined && out?.toLowerCase().endsWith('.csv');
  return outputFormat === 'csv' || csvByName ? csv : jsonl;
}
