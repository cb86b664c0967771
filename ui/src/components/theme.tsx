import { createContext, useContext, useEffect, useMemo, useState } from 'react';
import type { ReactElement, ReactNode } from 'react';

type Theme = 'light' | 'dark';

interface ThemeChoice {
  readonly theme: Theme;
  readonly toggle: () => void;
}

const KEY = 'millrace-theme';
const ThemeContext = createContext<ThemeChoice>({ theme: 'light', toggle: () => undefined });

/** Light or dark: as the system has it, until somebody chooses. */
export function ThemeProvider({ children }: { readonly children: ReactNode }): ReactElement {
  const [theme, setTheme] = useState<Theme>(initialTheme);
  useEffect(() => {
    document.documentElement.dataset.theme = theme;
  }, [theme]);
  const choice = useMemo((): ThemeChoice => {
    const toggle = (): void => {
      const next = theme === 'dark' ? 'light' : 'dark';
      localStorage.setItem(KEY, next);
      // Before the charts read their colours.
      document.documentElement.dataset.theme = next;
      setTheme(next);
    };
    return { theme, toggle };
  }, [theme]);
  return <ThemeContext value={choice}>{children}</ThemeContext>;
}

export function useTheme(): ThemeChoice {
  return useContext(ThemeContext);
}

function initialTheme(): Theme {
  const chosen = localStorage.getItem(KEY);
  const isDark = chosen === null ? matchMedia('(prefers-color-scheme: dark)').matches : chosen === 'dark';
  document.documentElement.dataset.theme = isDark ? 'dark' : 'light';
  return isDark ? 'dark' : 'light';
}
