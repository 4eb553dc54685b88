// Runs a script in the PowerShell engine as powershell.exe would, where there is no powershell.exe:
//   host file SCRIPT [ARGUMENT...]   like powershell -File
//   host command TEXT                like powershell -Command
//   host constrained SCRIPT          like file, in Constrained Language Mode
// The engine comes without the modules Utility, Management, Security, Archive and CimCmdlets: prelude scripts, named in
// HOST_PRELUDE and separated by |, supply what is needed of them.
#:package System.Management.Automation@7.6.9
#:package System.ServiceProcess.ServiceController@10.0.0
#:property PublishAot=false
#:property InvariantGlobalization=true
#:property SatelliteResourceLanguages=en
using System.Collections.ObjectModel;
using System.Globalization;
using System.Management.Automation;
using System.Management.Automation.Host;
using System.Management.Automation.Runspaces;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Security;
using System.Security.Principal;

var host = new ConsoleHost();
var session = InitialSessionState.CreateDefault2();
if (OperatingSystem.IsWindows()) session.ExecutionPolicy = Microsoft.PowerShell.ExecutionPolicy.Bypass;
using var runspace = RunspaceFactory.CreateRunspace(host, session);
runspace.Open();
Runspace.DefaultRunspace = runspace;
foreach (var prelude in (Environment.GetEnvironmentVariable("HOST_PRELUDE") ?? "").Split('|', StringSplitOptions.RemoveEmptyEntries))
{
    using var loading = PowerShell.Create(runspace);
    // In two steps: the types a script names are looked up before it runs.
    loading.AddScript(File.ReadAllText(prelude), useLocalScope: false).Invoke();
    if (loading.HadErrors) throw new InvalidOperationException($"{prelude}: {loading.Streams.Error[0]}");
}
// powershell -File ends with the script's exit code; by default an exit would end the script only.
const BindingFlags Internal = BindingFlags.Instance | BindingFlags.NonPublic;
var context = runspace.GetType().GetProperty("ExecutionContext", Internal)!.GetValue(runspace)!;
context.GetType().GetProperty("ScriptCommandProcessorShouldRethrowExit", Internal)!.SetValue(context, args[0] != "command");
if (args[0] == "constrained") runspace.SessionStateProxy.LanguageMode = PSLanguageMode.ConstrainedLanguage;

using var shell = PowerShell.Create(runspace);
if (args[0] == "command") shell.AddScript(args[1]);
else
{
    shell.AddCommand(args[1]);
    AddArguments(shell, args[2..]);
}
shell.AddCommand("Out-Host");
shell.Streams.Error.DataAdded += (_, added) => host.UI.WriteErrorLine(shell.Streams.Error[added.Index].ToString());
try
{
    shell.Invoke();
}
catch (RuntimeException error)
{
    host.UI.WriteErrorLine(error.Message);
    return 1;
}
return host.ExitCode ?? 0;

// A word that begins with a dash becomes a parameter, as powershell -File does it.
static void AddArguments(PowerShell shell, string[] words)
{
    foreach (var word in words)
    {
        if (word.Length < 2 || !"-\u2013\u2014\u2015".Contains(word[0])) shell.AddArgument(word);
        else if (word.Split(':', 2) is [var name, var value]) shell.AddParameter(name, value);
        else shell.AddParameter(word, null);
    }
}

class ConsoleHost : PSHost
{
    public int? ExitCode { get; private set; }
    public override CultureInfo CurrentCulture => CultureInfo.InvariantCulture;
    public override CultureInfo CurrentUICulture => CultureInfo.InvariantCulture;
    public override Guid InstanceId { get; } = Guid.NewGuid();
    public override string Name => "ConsoleHost";
    public override Version Version => new(7, 6);
    public override PSHostUserInterface UI { get; } = new ConsoleUI();
    public override void SetShouldExit(int exitCode) => ExitCode = exitCode;
    public override void EnterNestedPrompt() => throw new NotSupportedException();
    public override void ExitNestedPrompt() => throw new NotSupportedException();
    public override void NotifyBeginApplication() { }
    public override void NotifyEndApplication() { }
}

class ConsoleUI : PSHostUserInterface
{
    public override PSHostRawUserInterface? RawUI => null;
    public override void Write(string value) => Console.Out.Write(value);
    public override void Write(ConsoleColor foreground, ConsoleColor background, string value) => Write(value);
    public override void WriteLine(string value) => Console.Out.Write(value + "\n");
    public override void WriteErrorLine(string value) => Console.Error.Write(value + "\n");
    public override void WriteWarningLine(string value) => Console.Error.Write("WARNING: " + value + "\n");
    public override void WriteDebugLine(string value) { }
    public override void WriteVerboseLine(string value) { }
    // A test looks for this: no progress bar may be shown.
    public override void WriteProgress(long source, ProgressRecord record) => Console.Error.Write("PROGRESS\n");
    public override string ReadLine() => throw new NotSupportedException();
    public override SecureString ReadLineAsSecureString() => throw new NotSupportedException();
    public override Dictionary<string, PSObject> Prompt(string caption, string message, Collection<FieldDescription> fields) => throw new NotSupportedException();
    public override int PromptForChoice(string caption, string message, Collection<ChoiceDescription> choices, int choice) => throw new NotSupportedException();
    public override PSCredential PromptForCredential(string caption, string message, string user, string target) => throw new NotSupportedException();
    public override PSCredential PromptForCredential(string caption, string message, string user, string target, PSCredentialTypes types, PSCredentialUIOptions options) => throw new NotSupportedException();
}

/// <summary>The service manager's side of Win32_Service.Change, for the CIM module that the engine lacks.</summary>
public static class ServiceManager
{
    /// <summary>Returns 0 or the Windows error. startType: 2 automatic, 3 manual, 4 disabled.</summary>
    public static int Change(string name, uint startType, string path, string account)
    {
        var manager = OpenSCManagerW(null, null, 0x1);
        var service = OpenServiceW(manager, name, 0x2);
        var done = ChangeServiceConfigW(service, 0xffffffff, startType, 0xffffffff, path, null, 0, null, account, "", null);
        var error = done ? 0 : Marshal.GetLastWin32Error();
        CloseServiceHandle(service);
        CloseServiceHandle(manager);
        return error;
    }

    [DllImport("advapi32", CharSet = CharSet.Unicode, SetLastError = true)]
    static extern IntPtr OpenSCManagerW(string? machine, string? database, uint access);

    [DllImport("advapi32", CharSet = CharSet.Unicode, SetLastError = true)]
    static extern IntPtr OpenServiceW(IntPtr manager, string name, uint access);

    [DllImport("advapi32", CharSet = CharSet.Unicode, SetLastError = true)]
    [return: MarshalAs(UnmanagedType.Bool)]
    static extern bool ChangeServiceConfigW(IntPtr service, uint type, uint start, uint errorControl, string path, string? group, uint tag, string? dependencies, string account, string password, string? displayName);

    [DllImport("advapi32")]
    static extern bool CloseServiceHandle(IntPtr handle);
}

/// <summary>Sets a file's access list without the parent's: wine adds that to a protected list in SetNamedSecurityInfo.</summary>
public static class FileRights
{
    public static void Set(string path, byte[] descriptor)
    {
        const uint ProtectedList = 0x80000004;
        if (!SetFileSecurityW(path, ProtectedList, descriptor)) throw new System.ComponentModel.Win32Exception();
    }

    [DllImport("advapi32", CharSet = CharSet.Unicode, SetLastError = true)]
    [return: MarshalAs(UnmanagedType.Bool)]
    static extern bool SetFileSecurityW(string path, uint parts, byte[] descriptor);
}

// What Linux lacks of Windows; the prelude standins.ps1 puts these in the place of the real types.

public class StandinIdentity
{
    public static StandinIdentity GetCurrent() => new();
}

public class StandinPrincipal(StandinIdentity identity)
{
    public StandinIdentity Identity { get; } = identity;
    public bool IsInRole(WindowsBuiltInRole role) => role == WindowsBuiltInRole.Administrator && Environment.GetEnvironmentVariable("STANDIN_ELEVATED") != "no";
}

public class StandinAccount(string name)
{
    public StandinSid Translate(Type type) =>
        name == @"EXAMPLE\rport$" ? new StandinSid() : throw new InvalidOperationException("Some or all identity references could not be translated.");
}

public class StandinSid
{
    public string Value => "S-1-5-21-1-2-3-1104";
}

public class StandinRegistry
{
    readonly string path;
    StandinRegistry(string path) => this.path = path;
    public static StandinRegistry OpenBaseKey(string hive, string view) => new($"{hive}/{view}");
    public StandinRegistry OpenSubKey(string key) => new($@"{path}/{key}");
    public object? GetValue(string name) =>
        $"{path}/{name}" == @"LocalMachine/Registry64/SOFTWARE\Microsoft\Cryptography/MachineGuid" ? Environment.GetEnvironmentVariable("STANDIN_MACHINE_GUID") : null;
}

public class StandinSecurity
{
    public string Sddl { get; private set; } = "";
    public void SetSecurityDescriptorSddlForm(string sddl) => Sddl = sddl;
}
