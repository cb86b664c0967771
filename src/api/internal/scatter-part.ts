/** What travels to where a scattered request is gathered: the request itself, or what one branch found. */
export interface ScatterPart {
  /** `null` for the request itself. */
  readonly branch: string | null;
  /** Of the request. */
  readonly correlationId: string;
  readonly value: unknown;
}
