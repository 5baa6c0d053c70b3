using DistOpt;
using DistOpt.EndToEnd.Tests.Support;
using DistOpt.EndToEnd.Tests.UserCode;
using Xunit.MicrosoftTestingPlatform;
using Xunit.Runner.InProc.SystemConsole;

// processes need a program with user code: this one is it when the variable says so (children of --processes inherit it), else the tests
if (Environment.GetEnvironmentVariable(ProgramProcess.FixtureVariable) is not null) return await DistOptApp.RunAsync(args, UserApp.Configure);

return args.Any(a => a is "--server" or "--internal-msbuild-node")
    ? await TestPlatformTestFramework.RunAsync(args, DistOpt.EndToEnd.Tests.SelfRegisteredExtensions.AddSelfRegisteredExtensions)
    : await ConsoleRunner.Run(args);
