import { chromium, type Browser, type BrowserContextOptions, type Page } from "playwright-core";
import { findChromium } from "../../toolchain/machine/chromium";

/** Nothing in a test needs a GPU, and nothing may leave this machine. */
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Longest wait of one step in a page, in milliseconds: a browser on a machine that does ten other things takes long to paint. */
const STEP_TIMEOUT_MS = 45_000;

/** A headless Chromium with a profile of its own for the tests of one file. */
export class BrowserOfTests {
  private constructor(private readonly browser: Browser) {}

  /** Skips the tests of the file where there is no Chromium. */
  static async start(context: Mocha.Context): Promise<BrowserOfTests> {
    const executablePath = findChromium();
    if (executablePath === undefined) {
      console.log("skipped: no Chromium on PATH; install one, or set CHROMIUM to its path (Debian as root: npm test installs it)");
      context.skip();
    }
    return new BrowserOfTests(await chromium.launch({ executablePath, headless: true, args: FLAGS }));
  }

  /** A page in a fresh context: no cookies, no cache. What the page logs as an error is in `errors`. */
  async page(options: BrowserContextOptions = {}): Promise<{ readonly page: Page; readonly errors: string[] }> {
    const context = await this.browser.newContext(options);
    context.setDefaultTimeout(STEP_TIMEOUT_MS);
    const page = await context.newPage();
    const errors: string[] = [];
    page.on("pageerror", (error) => errors.push(error.message));
    return { page, errors };
  }

  async close(): Promise<void> {
    await this.browser.close();
  }
}

/**
 * Runs the body of an async function in the page, with the exports of one of the app's modules as `module`.
 * @param body JavaScript text: these files are compiled without the browser's types.
 */
export function inPage<Result>(page: Page, module: string, body: string): Promise<Result> {
  return page.evaluate<Result>(`import("/modules/${module}.js").then(async (module) => { ${body} })`);
}
