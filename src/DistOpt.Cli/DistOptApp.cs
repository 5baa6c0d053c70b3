namespace DistOpt;

/// <summary>
/// The command line as a library: your program is the CLI.
/// <code>
/// return await DistOptApp.RunAsync(args, app => app.AddModel&lt;MyOptions&gt;("my-net", (options, data) => new MyNet(options, data)));
/// </code>
/// </summary>
public static class DistOptApp
{
    /// <summary>
    /// Runs the command in <paramref name="args"/> on this process's console. Ctrl-C ends a run cleanly, a second one at once.
    /// </summary>
    /// <returns>The exit code (see <see cref="ExitCode"/>), to be returned from Main.</returns>
    public static async Task<int> RunAsync(string[] args, Action<DistOptAppBuilder>? configure = null)
    {
        var console = AppConsole.OfThisProcess();
        using var interrupt = new CancellationTokenSource();
        using var hooks = AppConsole.HookInterrupts(interrupt, console.Error);
        return await RunAsync(args, Define(configure), console, interrupt.Token).ConfigureAwait(false);
    }

    /// <summary>Runs a command with surroundings of the caller's; touches neither <see cref="Console"/> nor signals unless they say so.</summary>
    /// <param name="args">As on the command line, without the program's name.</param>
    /// <param name="app">See <see cref="Define"/>.</param>
    /// <param name="console">Where to read and write.</param>
    /// <param name="interrupt">What Ctrl-C is on a terminal.</param>
    public static Task<int> RunAsync(string[] args, DistOptAppDefinition app, AppConsole console, CancellationToken interrupt = default)
    {
        ArgumentNullException.ThrowIfNull(args);
        ArgumentNullException.ThrowIfNull(app);
        ArgumentNullException.ThrowIfNull(console);
        return CommandLine.RunAsync(args, app, console, interrupt);
    }

    /// <summary>The definition of a program, for <see cref="Training"/> and for tests.</summary>
    public static DistOptAppDefinition Define(Action<DistOptAppBuilder>? configure = null)
    {
        var builder = new DistOptAppBuilder();
        configure?.Invoke(builder);
        return builder.Build();
    }
}
