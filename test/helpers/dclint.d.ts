/** Its own types do not resolve the way this project resolves types: what of them is used. */
declare module 'dclint' {
  interface LintedFile {
    readonly messages: readonly { readonly type: string; readonly message: string }[];
  }

  export class DCLinter {
    constructor(options: { rules: object; quiet: boolean; debug: boolean; exclude: readonly string[] });
    lintFiles(paths: readonly string[], isRecursive: boolean): LintedFile[];
  }
}
