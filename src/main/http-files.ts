/** What HTTP needs of files that settings name. Read once, at start. Thread: main. */
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ConfigError } from '../base/errors.js';

/** Certificate and key in PEM form, or `null` for plain HTTP. @throws ConfigError */
export async function readTlsFiles(settings: {
  readonly tlsCert: string | null;
  readonly tlsKey: string | null;
}): Promise<{ readonly cert: Buffer; readonly key: Buffer } | null> {
  const { tlsCert, tlsKey } = settings;
  if (tlsCert === null || tlsKey === null) return null;
  const [cert, key] = await Promise.all([readSettingFile('tlsCert', tlsCert), readSettingFile('tlsKey', tlsKey)]);
  return { cert, key };
}

async function readSettingFile(setting: string, path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw new ConfigError(`${setting}: the file "${path}" cannot be read`, { hint: `Check ${setting}.`, cause });
  }
}

/** The default export of the module that `httpPlugin` names, or `null`. @throws ConfigError */
export async function loadHttpPlugin<Plugin>(path: string | null): Promise<Plugin | null> {
  if (path === null) return null;
  const { default: plugin } = (await importModule(path)) as { readonly default?: unknown };
  if (typeof plugin === 'function') return plugin as Plugin;
  throw new ConfigError(`httpPlugin: the default export of "${path}" is no function`, {
    hint: 'Export a fastify plugin: export default (app) => { app.addHook(…) }.',
  });
}

async function importModule(path: string): Promise<unknown> {
  try {
    return await import(pathToFileURL(resolve(path)).href);
  } catch (cause) {
    throw new ConfigError(`httpPlugin: the module "${path}" cannot be loaded`, { hint: 'Check httpPlugin.', cause });
  }
}
