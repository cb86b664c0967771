import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';

import '@xyflow/react/dist/base.css';
import 'uplot/dist/uPlot.min.css';
import './styles/theme.css';
import './styles/shell.css';
import './styles/parts.css';
import './styles/graph.css';
import { LiveContext } from './api/hooks.js';
import { LiveStore } from './api/live-store.js';
import { App } from './app.js';
import { ThemeProvider } from './components/theme.js';

const root = document.querySelector('#root');
if (root !== null) {
  const live = new LiveStore();
  void live.run();
  createRoot(root).render(
    <StrictMode>
      <ThemeProvider>
        <LiveContext value={live}>
          <App />
        </LiveContext>
      </ThemeProvider>
    </StrictMode>,
  );
}
