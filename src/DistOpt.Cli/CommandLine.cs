using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Parsing;
using System.Text.Json;
using DistOpt.Core.Runs;
using DistOpt.Core.Specs;

namespace DistOpt;

/// <summary>Parses, runs a command, and turns every way it can end into text and an exit code.</summary>
internal static class CommandLine
{
    public static async Task<int> RunAsync(string[] args, DistOptAppDefinition app, AppConsole console, CancellationToken interrupt)
    {
        var root = Root(app, (parse, run) => run(new CommandInvocation(parse, app, console, interrupt)));
        var parse = root.Parse(args, new ParserConfiguration { EnablePosixBundling = false, ResponseFileTokenReplacer = null });
        var configuration = new InvocationConfiguration
        {
            Output = console.Out,
            Error = console.Error,
            EnableDefaultExceptionHandler = false,
            ProcessTerminationTimeout = null,
        };
        bool json = args.SkipWhile(a => a != "--format").Skip(1).FirstOrDefault() == "json" || args.Contains("--format=json");
        bool debug = args.Contains("--debug");
        try
        {
            bool asksForHelp = parse.Action is HelpAction || args.Length == 0;
            if (!asksForHelp && Violations(parse) is { Count: > 0 } violations) throw new SpecException(violations);
            if (args.Length == 0)
            {
                await root.Parse(["--help"]).InvokeAsync(configuration, interrupt).ConfigureAwait(false);
                return ExitCode.Done;
            }
            return await parse.InvokeAsync(configuration, interrupt).ConfigureAwait(false);
        }
        catch (SpecException e)
        {
            return BadInput(e, console, json, debug);
        }
        catch (OperationCanceledException) when (interrupt.IsCancellationRequested)
        {
            return ExitCode.Interrupted;
        }
        catch (CommandException e)
        {
            console.Error.WriteLine("error: " + e.Message);
            return e.ExitCode;
        }
        catch (TrainingFailedException e)
        {
            return Failed(e, e.Message, console, json, debug);
        }
        catch (Exception e)
        {
            return Failed(e, $"{e.GetType().Name}: {FirstLine(e.Message)}", console, json, debug);
        }
    }

    private static RootCommand Root(DistOptAppDefinition app, Func<ParseResult, Func<CommandInvocation, Task<int>>, Task<int>> invoke)
    {
        var root = new RootCommand("Trains models from .NET through a parameter server: in one process, or on many machines.")
        {
            GlobalOptions.Format(),
            GlobalOptions.Debug(),
        };
        void Bind(Command command, Func<CommandInvocation, Task<int>> run) => command.SetAction((parse, _) => invoke(parse, run));
        foreach (var create in CommandList.All) root.Add(create(Bind));
        foreach (var command in app.Commands) root.Add(command);
        return root;
    }

    /// <summary>The parser's errors in our words: unknown names come with the nearest known one.</summary>
    private static List<SpecViolation> Violations(ParseResult parse)
    {
        var violations = new List<SpecViolation>();
        var command = parse.CommandResult.Command;
        // the parser takes an unknown option for the value of an argument
        string[] mistaken = [.. parse.CommandResult.Children.OfType<ArgumentResult>().SelectMany(a => a.Tokens).Select(t => t.Value)
            .Where(v => v.Length > 1 && v[0] == '-' && !char.IsAsciiDigit(v[1]))];
        var unmatched = new HashSet<string>(mistaken.Concat(parse.UnmatchedTokens), StringComparer.Ordinal);
        bool hasUnknownOption = unmatched.Any(t => t.StartsWith('-'));
        foreach (string token in unmatched)
        {
            string[] known = token.StartsWith('-') ? [.. Options(parse)] : [.. command.Subcommands.Select(c => c.Name)];
            if (hasUnknownOption && !token.StartsWith('-')) continue; // most likely the unknown option's value
            string what = token.StartsWith('-') ? "option" : command.Subcommands.Count > 0 ? "command" : "argument";
            string near = Nearest.Of(token, known) is { } name ? $"; did you mean '{name}'?"
                : what == "argument" ? $"; see 'distopt {command.Name} --help'"
                : $". Available: {string.Join(", ", known.Order(StringComparer.Ordinal))}";
            violations.Add(new SpecViolation("", $"{what} '{token}' is not known{near}"));
        }
        foreach (var error in parse.Errors)
        {
            if (unmatched.Any(t => error.Message.Contains($"'{t}'", StringComparison.Ordinal))) continue;
            if (unmatched.Count > 0 && command.Subcommands.Count > 0) continue; // "a command is required" follows from the unknown one
            violations.Add(new SpecViolation("", FirstLine(error.Message)));
        }
        return violations;
    }

    private static IEnumerable<string> Options(ParseResult parse)
    {
        IEnumerable<string> own = parse.CommandResult.Command.Options.Select(o => o.Name);
        IEnumerable<string> global = parse.RootCommandResult.Command.Options.Where(o => o.Recursive).Select(o => o.Name);
        return own.Concat(global).Where(n => n.StartsWith("--", StringComparison.Ordinal)).Distinct();
    }

    private static int BadInput(SpecException error, AppConsole console, bool json, bool debug)
    {
        foreach (var violation in error.Violations) console.Error.WriteLine("error: " + violation);
        if (debug) console.Error.WriteLine(error.StackTrace);
        if (json)
        {
            console.Out.WriteLine(RunJson.Text(indented: true, writer =>
            {
                writer.WriteStartObject();
                writer.WriteString("status", "bad_input");
                writer.WriteStartArray("violations");
                foreach (var violation in error.Violations) WriteViolation(writer, violation);
                writer.WriteEndArray();
                writer.WriteEndObject();
            }));
        }
        return ExitCode.BadInput;
    }

    private static int Failed(Exception error, string line, AppConsole console, bool json, bool debug)
    {
        console.Error.WriteLine("error: " + line);
        if (debug) console.Error.WriteLine(error);
        else console.Error.WriteLine("(--debug shows the stack)");
        if (json && error is not TrainingFailedException { WasReported: true })
        {
            console.Out.WriteLine(RunJson.Text(indented: true, writer =>
            {
                writer.WriteStartObject();
                writer.WriteString("status", "failed");
                writer.WriteString("error", line);
                writer.WriteEndObject();
            }));
        }
        return ExitCode.Failed;
    }

    private static void WriteViolation(Utf8JsonWriter writer, SpecViolation violation)
    {
        writer.WriteStartObject();
        writer.WriteString("path", violation.Path);
        writer.WriteString("message", violation.Message);
        if (violation.Line is { } number) writer.WriteNumber("line", number);
        writer.WriteEndObject();
    }

    internal static string FirstLine(string text) => text.Split('\n', 2)[0].TrimEnd('\r');
}

/// <summary>Ends a command with an exit code and one line on stderr, where it is neither bad input nor a failed run.</summary>
internal sealed class CommandException(int exitCode, string message) : Exception(message)
{
    public int ExitCode { get; } = exitCode;
}
