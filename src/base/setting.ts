/**
 * What a setting is, and how one value of it is checked. The table of all settings is in config-table.ts; this
 * file knows the kinds. Pure: values come in as they were written, and go out typed or with a sentence that says what is allowed.
 */

/** What the machine decides about defaults. */
export interface Machine {
  /** Threads that can run at once: `os.availableParallelism()`. */
  readonly availableCores: number;
}

interface SettingBase {
  readonly section: string;
  /** One or two sentences for `--help` and docs/configuration.md, with what to weigh when changing it. */
  readonly description: string;
  /** Never shown, logged or printed. */
  readonly secret?: boolean;
  /** What `--help` writes for the value. */
  readonly placeholder?: string;
}

/** What a whole number counts. Durations and sizes may be written with a unit: `5s`, `64MiB`. */
export type Unit = 'none' | 'ms' | 'bytes';

export interface IntegerSetting extends SettingBase {
  readonly kind: 'integer';
  readonly unit: Unit;
  readonly default: number | ((machine: Machine) => number);
  /** How the docs write a default that depends on the machine. */
  readonly defaultText?: string;
  readonly least: number;
  readonly most: number;
  /** Also accepts the word `unlimited`, which becomes `Infinity`. */
  readonly unlimited?: boolean;
  readonly powerOfTwo?: boolean;
}

/** A share, from 0 to 1. */
export interface FractionSetting extends SettingBase {
  readonly kind: 'fraction';
  readonly default: number;
}

export interface TextSetting extends SettingBase {
  readonly kind: 'text';
  readonly default: string;
}

/** A text that may be absent. */
export interface OptionalTextSetting extends SettingBase {
  readonly kind: 'optional-text';
  readonly default: null;
  /** How the docs write the absence. */
  readonly defaultText: string;
}

export interface ChoiceSetting<Choice extends string = string> extends SettingBase {
  readonly kind: 'choice';
  readonly default: Choice;
  readonly choices: readonly Choice[];
}

/** `true` or `false`; a flag without a value means `true`, one that begins with `--no-` means `false`. */
export interface SwitchSetting extends SettingBase {
  readonly kind: 'switch';
  readonly default: boolean;
}

/** Texts separated by commas; an array in the config file. */
export interface ListSetting extends SettingBase {
  readonly kind: 'list';
  readonly default: readonly string[];
}

export type Setting =
  IntegerSetting | FractionSetting | TextSetting | OptionalTextSetting | ChoiceSetting | SwitchSetting | ListSetting;

/** All settings by key. The order is the order of `--help`. */
export type SettingTable = Readonly<Record<string, Setting>>;

/** The type that a setting's value has once it is checked. */
export type SettingValue<S extends Setting> = S extends IntegerSetting | FractionSetting
  ? number
  : S extends TextSetting
    ? string
    : S extends OptionalTextSetting
      ? string | null
      : S extends ChoiceSetting<infer Choice>
        ? Choice
        : S extends SwitchSetting
          ? boolean
          : readonly string[];

/** Every type that a checked value may have. */
export type AnySettingValue = number | string | boolean | null | readonly string[];

/** A checked value, or the clause that completes "expected …". */
export type Checked =
  { readonly ok: true; readonly value: AnySettingValue } | { readonly ok: false; readonly expected: string };

/** Checks a value that was written as text: a flag's, or an environment variable's. */
export function checkText(setting: Setting, text: string): Checked {
  switch (setting.kind) {
    case 'integer':
      return text === 'unlimited'
        ? checkInteger(setting, Infinity)
        : checkInteger(setting, parseQuantity(text, setting.unit));
    case 'fraction':
      return checkFraction(setting, /^\d+(\.\d+)?(e-\d+)?$/.test(text) ? Number(text) : Number.NaN);
    case 'text':
    case 'optional-text':
      return text === '' ? refused(setting) : valid(text);
    case 'choice':
      return setting.choices.includes(text) ? valid(text) : refused(setting);
    case 'switch':
      return text === 'true' || text === 'false' ? valid(text === 'true') : refused(setting);
    case 'list':
      return checkList(
        setting,
        text.split(',').map((item) => item.trim()),
      );
  }
}

/** Checks a value that was written as JSON: it has a type of its own, which must be the setting's. */
export function checkJson(setting: Setting, value: unknown): Checked {
  switch (setting.kind) {
    case 'integer':
      if (typeof value === 'number') return checkInteger(setting, value);
      // A string only for what JSON has no number for: a quantity with a unit, and no limit.
      return typeof value === 'string' && /[a-z]$/i.test(value) ? checkText(setting, value) : refused(setting);
    case 'fraction':
      return typeof value === 'number' ? checkFraction(setting, value) : refused(setting);
    case 'text':
    case 'optional-text':
    case 'choice':
      return typeof value === 'string' ? checkText(setting, value) : refused(setting);
    case 'switch':
      return typeof value === 'boolean' ? valid(value) : refused(setting);
    case 'list':
      return Array.isArray(value) ? checkList(setting, value) : refused(setting);
  }
}

/** What a setting accepts, as a clause: `a whole number from 0 to 65535`. */
export function describeAllowed(setting: Setting): string {
  switch (setting.kind) {
    case 'integer':
      return describeInteger(setting);
    case 'fraction':
      return 'a number from 0 to 1';
    case 'text':
    case 'optional-text':
      return 'a text that is not empty';
    case 'choice':
      return `one of ${setting.choices.join(', ')}`;
    case 'switch':
      return 'true or false';
    case 'list':
      return 'texts separated by commas, in a file an array of texts';
  }
}

/** The value of a setting that nobody set. */
export function defaultValue(setting: Setting, machine: Machine): AnySettingValue {
  return typeof setting.default === 'function' ? setting.default(machine) : setting.default;
}

function valid(value: AnySettingValue): Checked {
  return { ok: true, value };
}

function refused(setting: Setting): Checked {
  return { ok: false, expected: describeAllowed(setting) };
}

function checkInteger(setting: IntegerSetting, value: number): Checked {
  if (value === Infinity) return setting.unlimited === true ? valid(value) : refused(setting);
  if (!Number.isSafeInteger(value) || value < setting.least || value > setting.most) return refused(setting);
  if (setting.powerOfTwo === true && !isPowerOfTwo(value)) return refused(setting);
  return valid(value);
}

function checkFraction(setting: FractionSetting, value: number): Checked {
  return value >= 0 && value <= 1 ? valid(value) : refused(setting);
}

function isPowerOfTwo(value: number): boolean {
  return value > 0 && Number.isInteger(Math.log2(value));
}

const unitFactors: Readonly<Record<Unit, ReadonlyMap<string, number>>> = {
  none: new Map([['', 1]]),
  ms: new Map([
    ['', 1],
    ['ms', 1],
    ['s', 1000],
    ['m', 60_000],
    ['h', 3_600_000],
    ['d', 86_400_000],
  ]),
  bytes: new Map([
    ['', 1],
    ['B', 1],
    ['KiB', 1024],
    ['MiB', 1024 ** 2],
    ['GiB', 1024 ** 3],
    ['TiB', 1024 ** 4],
  ]),
};

/** A whole number with an optional unit, `NaN` when the text is anything else. No sign, no fraction, no exponent. */
function parseQuantity(text: string, unit: Unit): number {
  const match = /^(\d{1,16})([A-Za-z]{0,3})$/.exec(text);
  const factor = unitFactors[unit].get(match?.[2] ?? '?');
  return match === null || factor === undefined ? Number.NaN : Number(match[1]) * factor;
}

function checkList(setting: ListSetting, items: readonly unknown[]): Checked {
  const texts = items.filter((item): item is string => typeof item === 'string' && item !== '');
  return texts.length === items.length ? valid(texts) : refused(setting);
}

function describeInteger(setting: IntegerSetting): string {
  const what = setting.powerOfTwo === true ? 'a power of two' : 'a whole number';
  const range = `from ${formatQuantity(setting.least, setting.unit)} to ${formatQuantity(setting.most, setting.unit)}`;
  return `${what} ${range}${setting.unlimited === true ? ', or unlimited' : ''}`;
}

/** A number with the largest unit that leaves it whole: `64 MiB`, `30 s`. */
export function formatQuantity(value: number, unit: Unit): string {
  if (value === Infinity) return 'unlimited';
  let text = String(value);
  if (unit === 'none' || value === 0) return text;
  for (const [suffix, factor] of unitFactors[unit]) {
    if (suffix !== '' && value % factor === 0) text = `${value / factor} ${suffix}`;
  }
  return text;
}
